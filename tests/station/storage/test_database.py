"""A database that is lost, locked, full or replaced is told of, and nothing that was acknowledged is lost."""

import itertools
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from blemish.errors import BlemishError
from blemish.station.errors import Unavailable
from blemish.station.records import Filter
from blemish.station.schemas import Feedback
from blemish.station.storage import database
from blemish.station.storage.store import Store
from tests.station.storage.support import add, limited_file_size, names, new


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "a ? % # folder"
    folder.mkdir()
    return folder / "station.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{file}")
    add(opened, "first")
    yield opened
    opened.close()


def shown(store: Store, *statements: str) -> list[Any]:
    with store.database.transaction() as connection:
        return [connection.exec_driver_sql(statement).scalar() for statement in statements]


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
        assert store.database.name.rpartition("/")[2] in str(error.value) and str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("replaced", "expected"), [(False, "is gone; put it back"), (True, "is not the one that was opened")]
)
def test_a_moved_file_is_missed(store: Store, file: Path, replaced: bool, expected: str) -> None:
    elsewhere, other = file.with_name("elsewhere"), file.with_name("other")
    Store(f"sqlite:///{other}").close()
    assert shown(store, "PRAGMA journal_mode", "PRAGMA synchronous") == ["wal", 2]  # FULL: commits last
    file.rename(elsewhere)
    if replaced:
        shutil.copy(other, file)
    all_fail(store, expected)
    assert file.exists() == replaced and (not replaced or file.read_bytes() == other.read_bytes())
    elsewhere.replace(file)
    store.database.check()
    add(store, "second")
    store.close()
    assert names(Store(f"sqlite:///{file}")) == ["first", "second"]


def test_a_file_overwritten_with_garbage_is_told(store: Store, file: Path) -> None:
    store.add([new(number) for number in range(100)])
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    file.write_bytes(b"garbage" * 100_000)
    with pytest.raises(Unavailable, match=r"not a database|malformed"):
        store.database.check()


def test_nothing_is_acknowledged_when_the_file_goes_in_the_middle(store: Store, file: Path) -> None:
    elsewhere = file.with_name("elsewhere")
    with pytest.raises(Unavailable, match="is gone"), store.database.transaction(writing=True) as connection:
        connection.exec_driver_sql("UPDATE inspections SET name = 'changed'")
        file.rename(elsewhere)
    elsewhere.rename(file)
    assert names(store) == ["first"]


def test_what_is_acknowledged_while_files_come_and_go_is_there(store: Store, file: Path) -> None:
    elsewhere, stop = file.with_name("elsewhere"), threading.Event()
    acknowledged: list[str] = []
    refused: list[Unavailable] = []

    def keep_adding() -> None:
        for number in itertools.takewhile(lambda _: not stop.is_set(), itertools.count()):
            try:
                acknowledged.append(add(store, str(number)).name)
            except Unavailable as error:
                refused.append(error)

    thread = threading.Thread(target=keep_adding)
    thread.start()
    while len(refused) < 10 or len(acknowledged) < 25:
        stop.wait(0.01)
        file.rename(elsewhere)
        stop.wait(0.005)
        elsewhere.rename(file)
    stop.set()
    thread.join()
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


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///", "keeps nothing"),
        ("sqlite:///:memory:", "keeps nothing"),
        ("sqlite:////no/such/folder/station.sqlite", r"cannot be written \(No such file or directory\)"),
        ("mysql://user:secret@host/name", "of kind mysql"),
        ("postgresql://user:secret@host:port/name", "URL cannot be read"),
        ("nonsense", "URL cannot be read"),
        ("postgres://user:secret@127.0.0.1:9/x?application_name=secret", r"//user:\*\*\*@127.0.0.1:9/x can"),
    ],
)
def test_databases_that_cannot_be_used(url: str, expected: str) -> None:
    with pytest.raises(BlemishError, match=expected) as error:
        Store(url)
    assert "secret" not in str(error.value) and str(error.value).endswith(".")


def test_a_postgresql_server_that_went_away_and_came_back(postgresql: Any) -> None:
    store = Store(postgresql.make())
    add(store, "first")
    postgresql.stop()
    try:
        all_fail(store, "cannot be used")
    finally:
        postgresql.start()
    store.database.check()
    add(store, "second")
    assert names(store) == ["first", "second"]
    store.close()


def test_a_locked_table_of_postgresql(postgresql: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 1.0)
    psycopg = pytest.importorskip("psycopg")
    url = postgresql.make()
    store = Store(url)
    assert shown(store, "SHOW lock_timeout", "SHOW synchronous_commit") == ["1s", "on"]
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE inspections")
        with pytest.raises(Unavailable, match="lock timeout"):
            add(store, "never")
    add(store, "second")
    assert names(store) == ["second"]
    store.close()
