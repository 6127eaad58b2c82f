"""Fixtures that several test files share."""

from pathlib import Path

import pytest

from blemish.datasets.drawn import generate


@pytest.fixture(scope="session")
def parts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small drawn data set in the MVTec layout, 96 x 96 pixels; tests only read it."""
    return generate(tmp_path_factory.mktemp("data") / "parts", train=8, test=2, size=96)
