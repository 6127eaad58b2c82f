"""A database that is lost, locked, full or replaced is told of, and nothing that was acknowledged is lost."""

import itertools
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from blemish.station.errors import Unavailable
from blemish.station.records import Filter
from blemish.station.schemas import Feedback
from blemish.station.storage.store import Store
from tests.station.storage.support import (
    add,
    limited_file_size,
    names,
    new,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "a ? % # folder"
    folder.mkdir()
    return folder / "station.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    opened = filled(file, "first")
    yield opened
    opened.close()


def filled(file: Path, *given: str) -> Store:
    """A store in a file, to which inspections of these names are added."""
    opened = Store(f"sqlite:///{file}")
    for name in given:
        add(opened, name)
    return opened


def all_fail(store: Store, expected: str) -> None:
    """Whatever is asked is answered with this sentence."""
    asked: list[Callable[[], object]] = [
        store.database.check,
        lambda: add(store, "never"),
        lambda: store.get(1),
        lambda: store.count(Filter()),
        lambda: store.set_feedback(1, Feedback(feedback=None)),
    ]
    for ask in asked:
        with pytest.raises(Unavailable, match=expected) as error:
            ask()
        assert "station.sqlite" in str(error.value) and str(error.value).endswith(".")


def test_commits_are_made_to_last(store: Store) -> None:
    with store.database.transaction() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
    assert found == ["wal", 2]  # FULL


def test_a_file_that_was_moved_is_missed_and_welcomed_back(store: Store, file: Path) -> None:
    elsewhere = file.with_name("elsewhere")
    file.rename(elsewhere)
    all_fail(store, "is gone; put it back")
    assert not file.exists()
    elsewhere.rename(file)
    store.database.check()
    assert names(store) == ["first"]
    add(store, "second")
    store.close()
    assert names(filled(file)) == ["first", "second"]


def test_another_file_in_its_place_is_not_written_to(store: Store, file: Path) -> None:
    elsewhere, other = file.with_name("elsewhere"), file.with_name("other")
    filled(other, "a", "b").close()
    file.rename(elsewhere)
    shutil.copy(other, file)
    all_fail(store, "is not the one that was opened")
    assert file.read_bytes() == other.read_bytes()
    elsewhere.replace(file)
    add(store, "second")
    assert names(store) == ["first", "second"]


def test_a_file_overwritten_with_garbage_is_told(store: Store, file: Path) -> None:
    store.add([new(number) for number in range(100)])
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    file.write_bytes(b"garbage" * 100_000)
    with pytest.raises(Unavailable, match=r"not a database|malformed"):
        store.database.check()


def test_nothing_is_acknowledged_when_the_file_goes_in_the_middle(store: Store, file: Path) -> None:
    elsewhere = file.with_name("elsewhere")
    with (
        pytest.raises(Unavailable, match="is gone"),
        store.database.transaction(writing=True) as connection,
    ):
        connection.exec_driver_sql("UPDATE inspections SET name = 'changed'")
        file.rename(elsewhere)
    elsewhere.rename(file)
    assert names(store) == ["first"]


def test_what_is_acknowledged_while_files_come_and_go_is_there(store: Store, file: Path) -> None:
    elsewhere = file.with_name("elsewhere")
    acknowledged: list[str] = []
    refused = 0
    stop = threading.Event()

    def keep_adding() -> None:
        nonlocal refused
        for number in itertools.count():
            if stop.is_set():
                return
            try:
                acknowledged.append(add(store, str(number)).name)
            except Unavailable:
                refused += 1

    thread = threading.Thread(target=keep_adding)
    thread.start()
    for _ in range(25):
        stop.wait(0.01)
        file.rename(elsewhere)
        stop.wait(0.005)
        elsewhere.rename(file)
    stop.wait(0.05)
    stop.set()
    thread.join()
    assert refused and len(acknowledged) > 25
    assert set(acknowledged) <= set(names(store))


def test_a_write_that_fails_keeps_nothing(store: Store) -> None:
    with limited_file_size(200_000):
        with pytest.raises(Unavailable, match="cannot be used"):
            for number in range(100):
                store.add([new(number * 100 + part) for part in range(100)])
        kept = store.count(Filter())
    assert kept % 100 == 1
    store.database.check()
    add(store, "second")
    assert store.count(Filter()) == kept + 1
