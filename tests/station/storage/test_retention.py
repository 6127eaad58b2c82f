"""What is too old or too much goes, oldest first; what is judged stays; no file is left or missing."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from blemish.station.errors import Unavailable
from blemish.station.records import Filter, Inspection, Verdict
from blemish.station.schemas import Feedback
from blemish.station.storage import retention
from blemish.station.storage.files import Files
from blemish.station.storage.retention import Retention
from blemish.station.storage.store import Store
from tests.station.storage.support import NOON, add_files, new
from tests.station.support import until

IMAGE, MAP = 1000, 10  # bytes
EACH = IMAGE + MAP


def keep(store: Store, files: Files, days: list[float]) -> list[Inspection]:
    """Inspections, each received so many days before NOON, with files of their own."""
    parts = [(b"%09d!" % number * (IMAGE // 10), b"%09d?" % number) for number in range(len(days))]
    digests = add_files(files, *(content for pair in parts for content in pair))
    sizes = {"image_bytes": IMAGE, "map_bytes": MAP}
    return store.add(
        [
            new(image=image, map=anomaly_map, received=NOON - timedelta(days=age), **sizes)
            for image, anomaly_map, age in zip(digests[::2], digests[1::2], days, strict=True)
        ]
    )


def left(store: Store) -> list[int]:
    return [one.id for one in store.select(Filter(), limit=10_000)][::-1]


def stored(files: Files) -> set[str]:
    return {name for prefix in retention.PREFIXES for name in files.stored(prefix)}


def needed(store: Store) -> set[str]:
    return {name for prefix in retention.PREFIXES for name in store.digests(prefix)}


def test_by_age(store: Store, files: Files) -> None:
    keep(store, files, [40, 29, 31, 35, 1])
    store.set_feedback(4, Feedback(feedback=Verdict.GOOD))
    old = Retention(store, files, 30, None)
    assert old.run_once(NOON) == 2
    assert left(store) == [2, 4, 5] and stored(files) == needed(store)
    assert old.run_once(NOON) == 0
    assert old.run_once(NOON + timedelta(days=365)) == 2
    assert left(store) == [4] and len(stored(files)) == 2


def test_by_size(store: Store, files: Files) -> None:
    keep(store, files, [5, 9, 7, 6, 8])
    store.set_feedback(2, Feedback(feedback=Verdict.DEFECT))  # the oldest
    much = Retention(store, files, None, 3.5 * EACH / 1e9)
    assert much.run_once(NOON) == 2
    assert left(store) == [1, 2, 4] and much.over == ""  # 5 and 3 were next in age
    assert stored(files) == needed(store) and store.stored_bytes() == 3 * EACH


def test_judged_images_alone_can_be_too_much(store: Store, files: Files) -> None:
    keep(store, files, [3, 2, 1])
    for number in (1, 2):
        store.set_feedback(number, Feedback(feedback=Verdict.GOOD))
    much = Retention(store, files, None, 1.5 * EACH / 1e9)
    assert much.run_once(NOON) == 1
    assert left(store) == [1, 2]
    assert "judged images alone" in much.over and much.over.endswith(".")
    store.set_feedback(1, Feedback(feedback=None))
    assert much.run_once(NOON) == 1 and much.over == ""


def test_shared_files_stay_as_long_as_one_needs_them(store: Store, files: Files) -> None:
    first, second = keep(store, files, [40, 30])
    (again,) = store.add([new(image=first.image, map=first.map, image_bytes=IMAGE, map_bytes=MAP)])
    store.set_feedback(again.id, Feedback(feedback=Verdict.GOOD))
    much = Retention(store, files, None, 1.2 * EACH / 1e9)
    assert much.run_once(NOON) == 2  # the first frees nothing
    assert left(store) == [again.id] and stored(files) == {first.image, first.map}
    assert second.image not in stored(files)


def test_many_in_batches(store: Store, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 7)
    keep(store, files, list(range(100, 40, -1)))
    assert Retention(store, files, None, 20 * EACH / 1e9).run_once(NOON) == 40
    assert left(store) == list(range(41, 61)) and stored(files) == needed(store)


def test_a_judgement_in_the_last_moment_saves(
    store: Store, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, files, [40, 40])
    real = store.expired

    def then_judged(*arguments: Any) -> list[Inspection]:
        found = real(*arguments)
        store.set_feedback(1, Feedback(feedback=Verdict.GOOD))
        return found

    monkeypatch.setattr(store, "expired", then_judged)
    Retention(store, files, 30, None).run_once(NOON)
    assert left(store) == [1] and stored(files) == needed(store) and len(stored(files)) == 2


def test_sweeping_removes_what_no_record_needs(store: Store, files: Files) -> None:
    keep(store, files, [3, 2, 1])
    strays = add_files(files, b"killed before the record", b"and another")
    cleaner = Retention(store, files, None, None)
    assert cleaner.sweep() == 2 and not set(strays) & stored(files)
    assert stored(files) == needed(store) and len(stored(files)) == 6
    assert cleaner.sweep() == 0


def test_files_of_another_database_are_not_swept(store: Store, files: Files) -> None:
    digests = add_files(files, *(b"%d" % number for number in range(20)))
    store.add([new(image=digests[0], map=digests[1])])
    assert Retention(store, files, None, None).sweep() == 0
    assert stored(files) == set(digests)


def test_what_is_added_during_a_sweep_stays(
    store: Store, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, files, [3, 2, 1])
    (fresh,) = add_files(files, b"not yet recorded")
    real, asked = store.digests, []

    def recorded_later(prefix: str) -> set[str]:
        found = real(prefix)
        if prefix == fresh[:2] and not asked:
            asked.append(prefix)
            store.add([new(image=fresh, map=None)])
        return found

    monkeypatch.setattr(store, "digests", recorded_later)
    assert Retention(store, files, None, None).sweep() == 0
    assert files.read(fresh) == b"not yet recorded"


def test_adding_and_deleting_at_once(store: Store, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    done = threading.Event()

    def add() -> None:
        for number in range(60):
            with files.busy:
                image, anomaly_map = add_files(files, b"%d" % (number % 7), b"map %d" % (number % 5))
                store.add([new(image=image, map=anomaly_map, image_bytes=1, map_bytes=5)])
        done.set()

    thread = threading.Thread(target=add)
    thread.start()
    much = Retention(store, files, None, 10 / 1e9)
    while not done.is_set():
        much.run_once(NOON)
    thread.join()
    assert stored(files) == needed(store)
    much.run_once(NOON)
    assert stored(files) == needed(store) and store.stored_bytes() <= 10


def test_the_thread_survives_errors(
    tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "SECONDS", 0.02)
    caplog.set_level("INFO", "blemish")
    store = Store(f"sqlite:///{tmp_path / 'station.sqlite'}")
    keep(store, files, [40_000, 40_000, 40_000])
    add_files(files, b"stray")
    fail = [True]
    real = store.digests

    def down(prefix: str) -> set[str]:
        if fail[0]:
            raise Unavailable("The database is down.")
        return real(prefix)

    monkeypatch.setattr(store, "digests", down)
    worker = Retention(store, files, 30, None)
    worker.start()
    until(lambda: len(caplog.records) > 1)
    assert (caplog.messages[0], caplog.records[0].levelname) == ("retention failed", "ERROR")
    assert left(store) == [1, 2, 3]
    fail[0] = False
    until(lambda: left(store) == [])
    until(lambda: caplog.messages[-2:] == ["strays removed", "old inspections deleted"])
    worker.stop()
    assert [record.__dict__.get("count") for record in caplog.records[-2:]] == [1, 3]
    assert stored(files) == set()
    store.close()
