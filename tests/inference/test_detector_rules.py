"""A detector with rules in force: from any kind of file, in results, rows and regions."""

import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import blemish
from blemish.errors import ConfigError
from blemish.inference.detector import Detector
from blemish.inference.model_file import HELD_OUT_MAPS
from blemish.inference.result import COLUMNS, RULED_COLUMNS
from blemish.inference.rules import Rules, Zone
from tests.support import BACKBONE, texture_files

LEFT = Zone(name="left", polygon=((0, 0), (32, 0), (32, 64), (0, 64)), look=False)
RULES = Rules(picture=(64, 64), zones=(LEFT,), look_again=0.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that was calibrated on nine images."""
    folder = tmp_path_factory.mktemp("ruled")
    files, out = texture_files(folder / "good", 9), folder / "parts.safetensors"
    small = {"backbone": BACKBONE, "weights": "random", "assignments": ["frame.resize=64"]}
    blemish.fit(files[0].parent, method="rad", out=out, **small)
    return out


@pytest.fixture(scope="module")
def defects() -> list[np.ndarray]:
    """A picture that is good but for its left half, and one that is good but for its right half."""
    pictures = np.full((2, 64, 64, 3), 120, np.uint8)
    noise = np.random.default_rng(2).integers(0, 256, (64, 32, 3), dtype=np.uint8)
    pictures[0, :, :32] = pictures[1, :, 32:] = noise
    return list(pictures)


def test_all_kinds_of_files_judge_alike(
    fitted: tuple[Detector, Path], exported: Path, files: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    rules = RULES.model_copy(update={"look_again": None})
    with caplog.at_level(logging.INFO):
        one = Detector.load(fitted[1], rules=rules)
    assert 'Rules (given) are in force: zone "left" does not count.' in caplog.messages
    for other in (pickle.loads(pickle.dumps(one)), Detector.load(exported, rules=rules)):
        for mine, theirs in zip(one.predict_many(files), other.predict_many(files), strict=True):
            assert mine.p_value == theirs.p_value and mine.score == pytest.approx(theirs.score, rel=1e-4)
            assert (mine.verdict, mine.decided_by) == (theirs.verdict, theirs.decided_by)
            assert mine.is_anomalous == (mine.verdict == "defective")


def test_the_score_stays_and_what_does_not_count_is_marked(model: Path, defects: list[np.ndarray]) -> None:
    plain = Detector.load(model, rules="none", false_alarm_rate=0.3)
    ruled = Detector.load(model, rules=RULES, false_alarm_rate=0.3)
    assert plain.rules is None and ruled.rules is not None and ruled.rules.rules is RULES
    for picture in defects:
        before, after = plain.predict(picture), ruled.predict(picture)
        assert after.score == before.score and before.to_row().keys() == set(COLUMNS)
        assert tuple(after.to_row()) == RULED_COLUMNS
        counted = [region for region in after.regions if region.counts]
        assert bool(counted) == (after.verdict != "good")
        assert all(region.box[0] >= 32 for region in counted)
        grey = (after.overlay(plain.heat_scale) == 192).all(axis=2).any()
        assert grey == any(not region.counts for region in after.regions)
        assert [region.box for region in after.regions if not region.counts] == [
            region.box
            for region in before.regions
            if not any(region.box[0] + region.box[2] > mine.box[0] for mine in counted)
        ]


def test_pictures_of_another_shape_are_errors_in_their_rows(model: Path, tmp_path: Path) -> None:
    wide = tmp_path / "wide.png"
    Image.new("RGB", (96, 64)).save(wide)
    (result,) = Detector.load(model, rules=RULES).predict_many([wide])
    assert result.verdict is None and tuple(result.to_row()) == RULED_COLUMNS
    assert result.error.startswith(f"{wide} is not judged: the rules are for pictures of 64 x 64 pixels")


def test_the_rate_of_the_rules_is_the_one_in_force_unless_another_is_asked_for(
    model: Path,
) -> None:
    rules = Rules(defective=0.2, look_again=0.5)
    assert Detector.load(model, rules=rules).calibration.false_alarm_rate == 0.2
    assert Detector.load(model, rules=rules, false_alarm_rate=0.3).calibration.false_alarm_rate == 0.3
    with pytest.raises(ConfigError, match=r"look_again \(0\.5\) leaves nothing above the 0\.6 in force"):
        Detector.load(model, rules=rules, false_alarm_rate=0.6)


def test_a_model_of_an_older_version_takes_rates_alone(model: Path, tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    old = tmp_path / "old.safetensors"
    with safe_open(model, framework="numpy") as file:
        description = file.metadata()
    save_file({k: v for k, v in load_file(model).items() if k != HELD_OUT_MAPS}, old, description)
    Detector.load(old, rules=Rules(look_again=0.6))
    with pytest.raises(ConfigError, match="holds no maps of good images"):
        Detector.load(old, rules=RULES)
