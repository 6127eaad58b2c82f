"""The inspection on known parts: shares of parts, repeats, other rates and fingerprints."""

import hashlib
from pathlib import Path

import pytest

from blemish.acceptance.measure import measure
from blemish.datasets.golden import read_golden
from blemish.errors import DatasetError
from blemish.evaluation.statistics import exact_interval
from blemish.files import file_digest
from tests.acceptance.support import HIGH, LOW, detector_of, measured, plain


def test_parts_seen_once_count_as_evaluate_counts_pictures(tmp_path: Path) -> None:
    acceptance, evaluation, detector, _ = measured(tmp_path / "golden", plain(9, 5, alarms=2, missed=1))
    assert acceptance.found == {"count": 4, "of": 5, "share": 0.8, "interval": exact_interval(4, 5)}
    assert acceptance.false_alarms["count"] == evaluation.false_alarms["flagged"] == 2
    assert acceptance.kinds == {"dent": acceptance.found}
    assert acceptance.repeatability is None
    assert acceptance.model["engine"] == "onnxruntime" and acceptance.model["precision"] == "int8"
    assert acceptance.rate["threshold"] == detector.calibration.threshold


def test_a_part_is_found_on_every_picture_and_a_false_alarm_on_any(tmp_path: Path) -> None:
    scores = {
        **{"good/g1/1.png": LOW, "good/g1/2.png": HIGH, "good/g2/1.png": LOW, "good/g2/2.png": LOW},
        **{"dent/d1/1.png": HIGH, "dent/d1/2.png": LOW, "dent/d2/1.png": HIGH, "dent/d2/2.png": HIGH},
    }
    acceptance, *_ = measured(tmp_path / "golden", scores)
    assert (acceptance.found["count"], acceptance.found["of"]) == (1, 2)
    assert (acceptance.false_alarms["count"], acceptance.false_alarms["of"]) == (1, 2)
    assert {part["name"]: part["right"] for part in acceptance.parts} == {
        **{"g1": False, "g2": True},
        **{"d1": False, "d2": True},
    }
    assert (acceptance.repeatability["count"], acceptance.repeatability["of"]) == (2, 4)


def test_spread_is_in_units_of_the_distance_to_the_threshold(tmp_path: Path) -> None:
    limit = detector_of(tmp_path / "other", {}).calibration.threshold
    scores = {
        f"good/g{part}/{seen}.png": limit * (0.4 + 0.2 * part + 0.1 * seen)
        for part in (0, 1)
        for seen in (0, 2)
    }
    acceptance, *_ = measured(tmp_path / "golden", scores | {"dent/1.png": HIGH})
    spread = acceptance.repeatability["spread"]
    assert set(spread) == {"good"}
    # means at 0.5 and 0.7 of the threshold, so 0.4 away from it; deviations of 0.1 around them
    assert spread["good"]["distance"] == pytest.approx(0.4 * limit)
    assert spread["good"]["within"] == pytest.approx(0.02**0.5 / 0.4)
    assert spread["good"]["between"] == pytest.approx(0.02**0.5 / 0.4)
    assert spread["good"]["nearest"] == "g1"
    assert spread["good"]["nearest_spread"] == pytest.approx(0.02**0.5 / 0.3)


def test_other_rates_find_more_and_raise_more_false_alarms(tmp_path: Path) -> None:
    limit = detector_of(tmp_path / "other", {}).calibration.threshold
    scores = {"good/1.png": limit, "good/2.png": LOW, "dent/1.png": limit * 0.99, "dent/2.png": HIGH}
    acceptance, *_ = measured(tmp_path / "golden", scores)
    counts = {row["rate"]: (row["found"]["count"], row["false_alarms"]["count"]) for row in acceptance.rates}
    assert counts == {0.01: (1, 0), 0.02: (1, 0), 0.05: (1, 0), 0.1: (2, 1), 0.2: (2, 1)}


def test_fingerprints_are_of_every_byte_and_name(tmp_path: Path) -> None:
    folder = tmp_path / "golden"
    rules = b'picture = [8, 8]\n[[zone]]\nname = "face"\nmask = "face.png"\n'
    (tmp_path / "parts.rules.toml").write_bytes(rules)
    (tmp_path / "face.png").write_bytes(b"a mask")
    (tmp_path / "people.csv").write_text("path,person,label\ngood/0.png,Ann,good\n")
    acceptance, *_ = measured(folder, plain(1, 1), tmp_path / "people.csv")
    lines = "".join(f"{file_digest(folder / name)}  {name}\n" for name in ("dent/0.png", "good/0.png"))
    assert acceptance.fingerprints == {
        "parts.onnx": hashlib.sha256(b"model").hexdigest(),
        "parts.rules.toml": hashlib.sha256(rules).hexdigest(),
        "face.png": hashlib.sha256(b"a mask").hexdigest(),
        "golden set golden": hashlib.sha256(lines.encode()).hexdigest(),
        "labels people.csv": file_digest(tmp_path / "people.csv"),
    }


def test_a_picture_that_cannot_be_scored_is_no_proof(tmp_path: Path) -> None:
    detector = detector_of(tmp_path / "golden", plain(2, 1))
    del detector.scores[str(tmp_path / "golden/dent/0.png")]
    detector.scores[str(tmp_path / "golden/good/0.png")] = LOW
    with pytest.raises(DatasetError, match="is damaged; a golden set must be whole"):
        measure(detector, tmp_path / "parts.onnx", read_golden(tmp_path / "golden"))
