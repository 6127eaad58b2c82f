"""One detector, fitted without a file of its own, for all tests of the room."""

from pathlib import Path

import pytest

import blemish
from tests.support import BACKBONE, SIZE


def fit_parts(folder: Path, **options: object) -> blemish.Detector:
    """PatchCore on a tiny network with random weights, in a second."""
    size = [f"frame.resize={SIZE}", "frame.crop=none"]
    model = {"method": "patchcore", "backbone": BACKBONE, "weights": "random"}
    return blemish.fit(folder, assignments=size, false_alarm_rate=0.6, **model, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def detector(parts_folder: Path) -> blemish.Detector:
    """Tests only read it."""
    return fit_parts(parts_folder)
