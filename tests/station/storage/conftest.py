"""A store and a folder of files, open for one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from blemish.station.storage.files import Files
from blemish.station.storage.store import Store


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    opened = Files(tmp_path / "files")
    yield opened
    opened.close()
