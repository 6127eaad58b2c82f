"""Files of others are left alone, a comparison without any model is none, and detectors are timed in turn."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from blemish.comparison.fitting import check_unclaimed, fit_all, scoring_speed
from blemish.comparison.methods import read_methods
from blemish.datasets import Dataset, Sample
from blemish.errors import BlemishError
from blemish.experiments.experiment import Experiment
from blemish.images.frame import Frame
from tests.support import BACKBONE, texture_files

PADIM = read_methods(["padim"], backbone=BACKBONE, weights="random")


@pytest.mark.parametrize("ending", [".safetensors", ".checkpoint", ".log.jsonl", ".json"])
def test_other_files_are_not_written_over(tmp_path: Path, ending: str) -> None:
    (tmp_path / f"padim{ending}").write_text("mine")
    with pytest.raises(BlemishError, match=f"padim{ending} was not made by a comparison"):
        check_unclaimed(PADIM, 1, tmp_path)
    (tmp_path / "padim.json").write_text('{"fit": "fingerprint"}')  # the record of a fit
    check_unclaimed(PADIM, 1, tmp_path)


def test_other_synthetic_images_are_not_written_over(tmp_path: Path) -> None:
    drawn = tmp_path / "synthetic" / "000.png"
    drawn.parent.mkdir()
    check_unclaimed(PADIM, 1, tmp_path)
    drawn.write_text("mine")
    with pytest.raises(BlemishError, match="synthetic was not made by a comparison"):
        check_unclaimed(PADIM, 1, tmp_path)
    (tmp_path / "results").mkdir()  # a comparison was here
    check_unclaimed(PADIM, 1, tmp_path)


def test_no_method_that_can_be_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(experiments: list[Experiment], *_: object, **__: object) -> dict[str, str]:
        return {experiments[0].fit: "It is broken."}

    monkeypatch.setattr("blemish.comparison.fitting.run_experiments", fail)
    with pytest.raises(BlemishError, match=r"padim cannot be fitted: It is broken\."):
        fit_all(PADIM, 1, Dataset("d"), [], tmp_path)


class TimedDetector:
    batch_size = 4
    frame = Frame(resize=32, crop=None)
    clock = 0.0
    order: ClassVar[list[str]] = []

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def engine(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert images.shape == (4, 32, 32, 3)
        TimedDetector.clock += self.seconds
        TimedDetector.order.append("slow" if self.seconds > 1 else "fast")
        return np.zeros(4, np.float32), np.zeros((4, 32, 32), np.float32)


def test_detectors_take_turns_after_one_batch_to_warm_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blemish.comparison.fitting.time.perf_counter", lambda: TimedDetector.clock)
    monkeypatch.setattr("blemish.comparison.fitting.LEAST_SECONDS", 0.5)
    samples = [Sample(path, 0) for path in texture_files(tmp_path, 3)]
    detectors = {"slow": TimedDetector(2.0), "fast": TimedDetector(0.25)}
    assert scoring_speed(detectors, samples) == pytest.approx({"slow": 2, "fast": 16})  # type: ignore[arg-type]
    assert TimedDetector.order == ["slow", "fast", *["slow", "fast", "fast"] * 5]
