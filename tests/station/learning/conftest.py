"""Recipes whose scores are given."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from blemish.station.recipe import Recipe
from blemish.station.settings import Settings
from blemish.station.station import Station
from tests.station.support import grey_onnx


@pytest.fixture
def calibrated(tmp_path: Path) -> Iterator[Callable[..., Recipe]]:
    """Makes recipes, each of a station of its own, whose model came with these scores and this rate."""
    made: list[Station] = []

    def make(scores: np.ndarray | list[float], rate: float) -> Recipe:
        folder = tmp_path / f"station {len(made)}"
        folder.mkdir()
        (folder / "grey.onnx").write_bytes(grey_onnx(scores=tuple(map(float, scores)), rate=rate))
        made.append(Station(Settings(model=folder / "grey.onnx", folder=folder)))
        return made[-1].default

    yield make
    for station in made:
        station.close()


@pytest.fixture
def recipe(calibrated: Callable[..., Recipe]) -> Recipe:
    """Its calibration has the scores 1 to 99, so that a rate of 5 % means a threshold of 95."""
    return calibrated(range(1, 100), 0.05)
