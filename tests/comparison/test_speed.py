"""Detectors take turns, so that a machine whose speed drifts treats all alike."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from blemish.comparison.speed import scoring_speed
from blemish.datasets import Sample
from blemish.images.frame import Frame
from tests.support import texture_files


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


def test_they_take_turns_after_one_batch_to_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blemish.comparison.speed.time.perf_counter", lambda: TimedDetector.clock)
    monkeypatch.setattr("blemish.comparison.speed.LEAST_SECONDS", 0.5)
    samples = [Sample(path, 0) for path in texture_files(tmp_path, 3)]
    detectors = {"slow": TimedDetector(2.0), "fast": TimedDetector(0.25)}
    assert scoring_speed(detectors, samples) == pytest.approx({"slow": 2, "fast": 16})  # type: ignore[arg-type]
    assert TimedDetector.order == ["slow", "fast", *["slow", "fast", "fast"] * 5]
