"""What tests of several rooms share."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several workers share the cores

from blemish.datasets.drawn import generate
from blemish.images import decoding
from blemish.progress import LOGGER


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests come last: what is broken is told early."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


@pytest.fixture(autouse=True)
def messages_as_in_a_new_process() -> None:
    """What a command, or a fixture that runs one, shows or silences stays its own affair."""
    LOGGER.setLevel(logging.NOTSET)
    LOGGER.handlers.clear()
    decoding.say_that_alpha_is_ignored.cache_clear()


@pytest.fixture(scope="session")
def parts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small drawn data set in the MVTec layout, 96 x 96 pixels; tests only read it."""
    return generate(tmp_path_factory.mktemp("data") / "parts", train=8, test=2, size=96)


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """A Ray of this machine with two cores."""
    pytest.importorskip("ray", reason="the extra blemish[ray] is not installed")
    pytest.importorskip("pyarrow", reason="the extra blemish[ray] is not installed")
    from blemish.inference.cluster import connected

    with connected("ray", cpus=2):
        yield
