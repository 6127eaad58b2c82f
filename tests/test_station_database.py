"""A database that is lost, locked, full or replaced is told of, never written to unseen, and taken up again."""

import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from databases import Server
from test_station_store import new

from blemish.errors import BlemishError
from blemish.station import sqlite_file
from blemish.station.problems import NotFound, Unavailable
from blemish.station.records import Filter
from blemish.station.store import Store

pytest_plugins = ["databases"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a ? % # folder" / "station.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    file.parent.mkdir()
    opened = Store(f"sqlite:///{str(file).replace('%', '%25').replace('?', '%3F')}") if False else open_at(file)
    opened.add([new(1)])
    yield opened
    opened.close()


def open_at(file: Path) -> Store:
    return Store(f"sqlite:///{file}")


def all_fail(store: Store, expected: str) -> None:
    """Whatever is asked is answered with this sentence."""
    for ask in (
        store.check,
        lambda: store.add([new(99)]),
        lambda: store.get(1),
        lambda: store.count(Filter()),
        lambda: store.set_feedback(1, None, ""),
    ):
        with pytest.raises(Unavailable, match=expected):
            ask()


def names(store: Store) -> list[str]:
    return [one.name for one in store.select(Filter(), limit=100)][::-1]
