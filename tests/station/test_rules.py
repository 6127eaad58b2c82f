"""Rules beside a station's model: they judge, are told with every verdict, and leave no threshold to set."""

import csv
import io
import logging
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from blemish.errors import ConfigError
from blemish.inference.detector import Detector
from blemish.station.learning import threshold
from blemish.station.learning.drift import measure_drift
from blemish.station.records import Verdict
from blemish.station.schemas import Feedback
from tests.station.support import Running, encoded, good_part, running_station

pytestmark = pytest.mark.slow
ZONE = """
picture = [64, 64]
defective = 0.01
look_again = 0.5
[[zone]]
name = "left"
polygon = [[0, 0], [32, 0], [32, 64], [0, 64]]
look = false
"""
SENTENCE = 'Rules (grey.rules.toml) are in force: zone "left" does not count, defective 1 %, look_again 50 %.'


def spotted(seed: int, x: int, level: int = 230) -> np.ndarray:
    image = good_part(seed)
    image[20:28, x : x + 8] = level
    return image


PARTS = {"left": spotted(1, 8), "right": spotted(2, 48), "faint": spotted(4, 48, 138)}


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, dict[str, Any]]]:
    """A station with a zone that does not count, and what it said of PARTS."""
    folder = tmp_path_factory.mktemp("ruled")
    (folder / "grey.rules.toml").write_text(ZONE)
    with running_station(folder) as it:
        yield it, {name: it.inspect(part, name=name) for name, part in PARTS.items()}


def test_the_verdict_is_that_of_the_detector_with_the_rules(ruled: tuple[Running, dict[str, Any]]) -> None:
    it, told = ruled
    detector = Detector.load(it.station.settings.model)
    for name, part in PARTS.items():
        expected = detector.predict(part)
        for field in ("score", "p_value", "is_anomalous", "verdict", "decided_by"):
            assert told[name][field] == getattr(expected, field), (name, field)
        assert (told[name]["threshold"], told[name]["calibration"]) == (None, None)
        assert told[name]["false_alarm_rate"] == 0.01
        assert it.client.get(f"/v1/inspections/{told[name]['id']}").json() == told[name]
    assert [one["verdict"] for one in told.values()] == ["good", "defective", "look again"]
    assert told["left"]["decided_by"] == 'zone "left"' and told["left"]["score"] > told["faint"]["score"]


def test_pages_lists_and_tables_tell_the_verdict(ruled: tuple[Running, dict[str, Any]]) -> None:
    it, told = ruled
    it.station.store.set_feedback(told["left"]["id"], Feedback(feedback=Verdict.GOOD))
    it.client.headers["Accept"] = "text/html"
    text = {
        address: " ".join(unescape(it.client.get(address).text).split())
        for address in ("/", "/history", "/threshold", "/models", f"/inspections/{told['left']['id']}")
    }
    assert all(f"</svg>{words}</span>" in text["/"] for words in ("Good", "Defective", "Look again"))
    assert 'Decided by zone "left".' in text[f"/inspections/{told['left']['id']}"]
    assert "<td>look again</td>" in text["/history"] and "Rules give the verdicts" in text["/history"]
    assert SENTENCE in text["/models"]
    assert "There is no threshold to set: zones or sizes" in text["/threshold"]
    assert 'id="rate"' not in text["/threshold"] and "dataset.zip" in text["/threshold"]
    assert it.client.get("/v1/models").json()[0]["rules"] == SENTENCE
    for query, names in (("look+again", ["faint"]), ("good", ["left"]), ("anomalous", ["right"])):
        page = it.client.get(f"/inspections?verdict={query}").text
        assert [name for name in PARTS if f">{name}</bdi>" in page] == names
    assert it.figure('inspections_total{recipe="grey",source="api",verdict="look again"}') == 1
    zipped = ZipFile(io.BytesIO(it.client.get("/v1/dataset.zip").content))
    (row,) = csv.DictReader(zipped.read("labels.csv").decode().splitlines())
    assert (row["verdict"], row["decided_by"]) == ("good", 'zone "left"')


def test_nothing_sets_or_shows_a_threshold_that_does_not_decide(
    ruled: tuple[Running, dict[str, Any]],
) -> None:
    it, _ = ruled
    number = it.recipe.models.active.calibrated.id
    for method, address, body in (
        ("GET", "/v1/threshold", None),
        ("PUT", "/v1/threshold", {"false_alarm_rate": 0.1}),
        ("GET", "/v1/threshold/preview?false_alarm_rate=0.1", None),
        ("POST", "/v1/calibrations", {"keep": True}),
        ("POST", f"/v1/calibrations/{number}/use", None),
    ):
        answer = it.client.request(method, address, json=body)
        assert answer.status_code == 409, address
        assert answer.json()["detail"] == (
            "There is no threshold to set: zones or sizes and the rates of grey.rules.toml give the "
            "verdicts; change these on the page of the rules."
        )


def test_drift_counts_the_alarms_that_the_rules_gave(tmp_path: Path) -> None:
    (tmp_path / "grey.rules.toml").write_text(ZONE)
    with running_station(tmp_path) as it:
        for seed in range(30):
            it.inspect(spotted(seed, 8) if seed < 29 else spotted(seed, 48))
        drift = measure_drift(it.recipe)
    assert (drift.rate, drift.alarms) == (0.01, pytest.approx(1 / 30))


def test_a_picture_of_another_shape_is_refused(ruled: tuple[Running, dict[str, Any]]) -> None:
    it, _ = ruled
    wide = encoded(np.zeros((32, 64, 3), np.uint8))
    answer = it.client.post("/v1/inspect", params={"name": "wide.png"}, content=wide)
    assert answer.status_code == 422
    assert answer.json()["detail"] == (
        "wide.png is not judged: the rules are for pictures of 64 x 64 pixels, not 64 x 32; "
        "give such ones, or other rules."
    )


def test_rates_alone_leave_the_threshold_to_the_scores(tmp_path: Path) -> None:
    rules = tmp_path / "grey.rules.toml"
    with running_station(tmp_path) as it:
        own = threshold.set_rate(it.recipe, 0.2)
        assert it.inspect(PARTS["right"])["verdict"] is None
        rules.write_text("defective = 0.05\nlook_again = 0.5")
        it.recipe.models.use("grey.onnx")
        told = it.inspect(PARTS["left"])
        assert (told["verdict"], told["decided_by"], told["calibration"]) == ("defective", "no rule", own.id)
        shown = it.client.get("/v1/threshold").json()
        assert (shown["false_alarm_rate"], shown["threshold"]) == (0.05, told["threshold"])
        answer = it.client.put("/v1/threshold", json={"false_alarm_rate": 0.1})
        assert answer.status_code == 409 and "gives the false-alarm rate" in answer.json()["detail"]
        again = threshold.use_again(it.recipe, own.id - 1)
        assert (again.false_alarm_rate, again.scores) == (0.05, own.scores)
        good = [it.inspect(good_part(seed))["id"] for seed in range(3)]
        for number in good:
            it.station.store.set_feedback(number, Feedback(feedback=Verdict.GOOD))
        answer = it.client.post("/v1/calibrations", json={"keep": False})
        assert answer.status_code == 201  # a quarter is defective, and half of the good ones may be looked at
        rules.write_text("look_again = 0.3")
        answer = it.client.post("/v1/models/grey.onnx/use")
        assert answer.status_code == 409 and "look_again (0.3) leaves nothing" in answer.json()["detail"]
        rules.unlink()
        it.recipe.models.use("grey.onnx")
        assert it.inspect(PARTS["left"])["verdict"] is None
        assert it.recipe.models.active.calibration.false_alarm_rate == 0.2, "the station's own rate again"


def test_rules_that_cannot_be_are_told_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "grey.rules.toml").write_text("defective = 2")
    with pytest.raises(ConfigError, match=r"grey\.rules\.toml: defective: "), running_station(tmp_path):
        pass
    (tmp_path / "grey.rules.toml").write_text(ZONE)
    with caplog.at_level(logging.INFO), running_station(tmp_path):
        assert caplog.messages.count(SENTENCE) == 1
