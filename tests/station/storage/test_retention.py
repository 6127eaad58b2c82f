"""What is too old or too much goes, oldest first; what is judged stays; no file is left or missing."""

import threading
from datetime import timedelta
from pathlib import Path
from unittest.mock import Mock

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


def keep(store: Store, files: Files, days: list[int]) -> list[Inspection]:
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


def judge(store: Store, number: int, said: Verdict | None = Verdict.GOOD) -> None:
    store.set_feedback(number, Feedback(feedback=said))


def left(store: Store, files: Files) -> list[int]:
    """Numbers of the inspections that are left; their files are all that is stored."""
    assert stored(files) == {name for prefix in retention.PREFIXES for name in store.digests(prefix)}
    return [one.id for one in store.select(Filter(), limit=10_000)][::-1]


def stored(files: Files) -> set[str]:
    return {name for prefix in retention.PREFIXES for name in files.stored(prefix)}


def test_by_age(store: Store, files: Files) -> None:
    keep(store, files, [40, 29, 31, 35, 1])
    judge(store, 4)
    old = Retention(store, files, 30, None)
    assert old.run_once(NOON) == 2 and left(store, files) == [2, 4, 5]
    assert old.run_once(NOON) == 0
    assert old.run_once(NOON + timedelta(days=365)) == 2
    assert left(store, files) == [4] and len(stored(files)) == 2


def test_by_size(store: Store, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 7)
    ages = [number * 37 % 60 for number in range(1, 61)]
    keep(store, files, ages)
    oldest = ages.index(59) + 1
    judge(store, oldest)
    much = Retention(store, files, None, 20.5 * EACH / 1e9)
    assert much.run_once(NOON) == 40 and much.over == ""
    assert left(store, files) == sorted([oldest, *(ages.index(age) + 1 for age in range(19))])
    assert store.stored_bytes() == 20 * EACH


def test_judged_images_alone_can_be_too_much(store: Store, files: Files) -> None:
    keep(store, files, [3, 2, 1])
    judge(store, 1)
    judge(store, 2)
    much = Retention(store, files, None, 1.5 * EACH / 1e9)
    assert much.run_once(NOON) == 1 and left(store, files) == [1, 2]
    assert "judged images alone" in much.over and much.over.endswith(".")
    judge(store, 1, None)
    assert much.run_once(NOON) == 1 and much.over == ""


def test_sweeping_removes_what_no_record_needs(store: Store, files: Files) -> None:
    keep(store, files, [3, 2, 1])
    add_files(files, b"killed before the record", b"and another")
    cleaner = Retention(store, files, None, None)
    assert cleaner.sweep() == 2 and left(store, files) == [1, 2, 3]
    assert cleaner.sweep() == 0
    digests = add_files(files, *(b"%d" % number for number in range(20)))
    assert cleaner.sweep() == 0 and set(digests) < stored(files)  # hardly the database of this folder


def test_what_is_added_in_a_sweep_stays(store: Store, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
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

    def add() -> None:
        for number in range(60):
            with files.busy:
                image, anomaly_map = add_files(files, b"%d" % (number % 7), b"map %d" % (number % 5))
                store.add([new(image=image, map=anomaly_map, image_bytes=1, map_bytes=5)])

    thread = threading.Thread(target=add)
    thread.start()
    much = Retention(store, files, None, 10 / 1e9)
    while thread.is_alive():
        much.run_once(NOON)
    much.run_once(NOON)
    assert left(store, files) and store.stored_bytes() <= 10


def test_the_thread_survives_errors(
    tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "SECONDS", 0.02)
    caplog.set_level("INFO", "blemish")
    store = Store(f"sqlite:///{tmp_path / 'station.sqlite'}")
    keep(store, files, [40_000, 40_000, 40_000])
    add_files(files, b"stray")

    worker = Retention(store, files, 30, None)
    with monkeypatch.context() as broken:
        broken.setattr(store, "digests", Mock(side_effect=Unavailable("The database is down.")))
        worker.start()
        until(lambda: len(caplog.records) > 1)
        assert (caplog.messages[0], caplog.records[0].levelname) == ("retention failed", "ERROR")
        assert store.count(Filter()) == 3
    until(lambda: caplog.messages[-2:] == ["strays removed", "old inspections deleted"])
    worker.stop()
    assert [record.__dict__.get("count") for record in caplog.records[-2:]] == [1, 3]
    assert left(store, files) == [] and stored(files) == set()
    store.close()
