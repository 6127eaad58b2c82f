"""A database that is lost, locked, full or replaced is told of, and taken up again; nothing gets lost."""

import itertools
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from blemish.errors import BlemishError
from blemish.station.problems import Unavailable
from blemish.station.records import Filter, Inspection
from blemish.station.storage import sqlite_file
from blemish.station.storage.store import Store
from tests.station.disks import limited_file_size, mount, small_disk, unmount
from tests.station.test_store import new

pytest_plugins = ["tests.station.databases"]


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
    """A store in a new file with these names."""
    opened = Store(f"sqlite:///{file}")
    for name in given:
        add(opened, name)
    return opened


def add(store: Store, name: str) -> Inspection:
    return store.add([new(name=name, image=None, map=None)])[0]


def names(store: Store) -> list[str]:
    return [one.name for one in store.select(Filter(), limit=10_000)][::-1]


def all_fail(store: Store, expected: str) -> None:
    """Whatever is asked is answered with this sentence."""
    asked: list[Callable[[], object]] = [
        store.check,
        lambda: add(store, "never"),
        lambda: store.get(1),
        lambda: store.count(Filter()),
        lambda: store.set_feedback(1, feedback=None, note=""),
    ]
    for ask in asked:
        with pytest.raises(Unavailable, match=expected) as error:
            ask()
        assert "station.sqlite" in str(error.value) and str(error.value).endswith(".")


def test_commits_are_made_to_last(store: Store) -> None:
    with store._database.transaction() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
    assert found == ["wal", 2]  # FULL


@pytest.mark.parametrize("again", [shutil.move, shutil.copy], ids=["the same file", "a copy"])
def test_a_file_that_was_moved_is_missed_and_welcomed_back(
    store: Store, file: Path, again: Callable[[Path, Path], object]
) -> None:
    elsewhere = file.with_name("elsewhere")
    file.rename(elsewhere)
    all_fail(store, "is gone; put it back")
    assert not file.exists()
    again(elsewhere, file)
    store.check()
    assert names(store) == ["first"]
    add(store, "second")
    store.close()
    assert names(filled(file)) == ["first", "second"]


def test_a_moved_file_has_everything_that_was_acknowledged(store: Store, file: Path) -> None:
    for number in range(20):
        add(store, str(number))
    elsewhere = file.with_name("elsewhere")
    file.rename(elsewhere)
    all_fail(store, "is gone")
    with closing(sqlite3.connect(elsewhere)) as connection:
        assert connection.execute("SELECT count(*) FROM inspections").fetchone() == (21,)


def test_a_deleted_file_is_not_made_again_but_an_empty_one_is_taken(store: Store, file: Path) -> None:
    file.unlink()
    all_fail(store, "is gone")
    assert not file.exists()
    file.touch()
    store.check()
    assert names(store) == []
    assert add(store, "anew").id == 1
    store.close()
    assert names(filled(file)) == ["anew"]


def test_another_station_s_file_in_its_place_is_taken_as_it_is(store: Store, file: Path) -> None:
    other = file.with_name("other")
    filled(other, "a", "b", "c").close()
    for number in range(20):  # all of it is in the log of the old file, which must not get into the new one
        add(store, str(number))
    other.replace(file)
    assert names(store) == ["a", "b", "c"]
    assert add(store, "d").id == 4
    store.close()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert names(filled(file)) == ["a", "b", "c", "d"]


def foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE results (number INTEGER)")


@pytest.mark.parametrize(
    ("put", "expected"),
    [
        (lambda path: path.write_bytes(b"garbage" * 10_000), "not a database.*put a good copy"),
        (foreign, "holds something else"),
        (lambda path: path.mkdir(), "is gone; put it back"),
    ],
    ids=["garbage", "foreign", "folder"],
)
def test_something_else_in_its_place(
    store: Store, file: Path, put: Callable[[Path], None], expected: str
) -> None:
    elsewhere = file.with_name("elsewhere")
    file.rename(elsewhere)
    put(file)
    all_fail(store, expected)
    file.rename(file.with_name("bad"))
    elsewhere.rename(file)
    store.check()
    add(store, "second")
    assert names(store) == ["first", "second"]


def test_a_file_overwritten_with_garbage(store: Store, file: Path) -> None:
    for number in range(10):
        store.add([new(number * 100 + part) for part in range(100)])
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    good = file.read_bytes()
    file.write_bytes(b"garbage" * 100_000)
    with pytest.raises(Unavailable, match="not a database"):
        store.check()
    all_fail(store, "not a database")
    file.write_bytes(good)
    store.check()
    assert store.count(Filter()) == 1001
    add(store, "after")


def test_nothing_is_acknowledged_when_the_file_goes_in_the_middle(store: Store, file: Path) -> None:
    elsewhere = file.with_name("elsewhere")
    with (
        pytest.raises(Unavailable, match="was moved or replaced"),
        store._database.transaction(writing=True) as connection,
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


def test_a_locked_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.1)
    store = filled(file, "first")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for ask in (
            store.check,
            lambda: add(store, "never"),
            lambda: store.set_feedback(1, feedback=None, note=""),
        ):
            with pytest.raises(Unavailable, match=r"locked.*end the other program"):
                ask()
        assert names(store) == ["first"]
        other.execute("ROLLBACK")
    store.check()
    add(store, "second")
    store.close()


def test_many_threads_at_once(store: Store) -> None:
    def work(number: int) -> None:
        for turn in range(5):
            add(store, f"{number} {turn}")
            store.count(Filter())
            store.check()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.count(Filter()) == 41


def test_a_write_that_fails_keeps_nothing(store: Store) -> None:
    with limited_file_size(200_000):
        with pytest.raises(Unavailable, match="cannot be used"):
            for number in range(100):
                store.add([new(number * 100 + part) for part in range(100)])
        kept = store.count(Filter())
    assert kept % 100 == 1
    store.check()
    add(store, "second")
    assert store.count(Filter()) == kept + 1


def test_a_full_disk(file: Path) -> None:
    with small_disk(file.parent):
        store = filled(file, "first")
        ballast = file.with_name("ballast")
        ballast.write_bytes(b"-" * shutil.disk_usage(file.parent).free)
        with pytest.raises(Unavailable, match=r"full.*make room on its disk"):
            for number in range(100):
                add(store, str(number))
        ballast.unlink()
        store.check()
        add(store, "second")
        assert names(store)[0] == "first" and names(store)[-1] == "second"
        store.close()


def test_a_disk_mounted_for_reading_only(file: Path) -> None:
    with small_disk(file.parent):
        filled(file, "first").close()
        mount("-o", "remount,ro", file.parent)
        with pytest.raises(BlemishError, match="Read-only file system"):
            filled(file)
        mount("-o", "remount,rw", file.parent)
        filled(file, "second").close()


def test_a_disk_that_is_unmounted_and_mounted_again(file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with small_disk(elsewhere):
        mount("--bind", elsewhere, file.parent)
        store = filled(file, "first")
        unmount(file.parent)
        all_fail(store, "is gone")
        assert not list(file.parent.iterdir())
        mount("--bind", elsewhere, file.parent)
        add(store, "second")
        assert names(store) == ["first", "second"]
        store.close()
        unmount(file.parent)
