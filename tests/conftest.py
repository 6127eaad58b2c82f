"""What tests of several rooms share."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several workers share the cores

from blemish.datasets.drawn import generate


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests come last: what is broken is told early."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(scope="session")
def parts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small drawn data set in the MVTec layout, 96 x 96 pixels; tests only read it."""
    return generate(tmp_path_factory.mktemp("data") / "parts", train=8, test=2, size=96)
