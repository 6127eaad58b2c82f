"""The watched folder: every image exactly once, whatever happens to it, to the folder or to the station."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blemish.errors import BlemishError
from blemish.station import watch
from blemish.station.problems import Busy, Unavailable, Unusable
from blemish.station.records import Inspection, Source
from blemish.station.watch import Watch
from watched import put, until


class Inspector:
    """Stands in for pipeline and store: content that begins with "image" and ends with "end" is an image.

    Attributes:
        taken: name, content and `keep_failed` of everything submitted.
        records: inspections by key, the durable ones.
        refuse: raised at once by submit, or None.
        fail: raised by the future of images that hold this text.
        slow: seconds to inspect one image.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes, bool]] = []
        self.records: dict[str, Inspection] = {}
        self.refuse: BlemishError | None = None
        self.fail: dict[bytes, BlemishError] = {}
        self.slow = 0.0
        self.unfinished = 0
        self.most = 0
        self.lock = threading.Lock()

    def with_key(self, key: str) -> Inspection | None:
        return self.records.get(key)

    def add(self, new: list[Any]) -> list[Inspection]:
        return [self._record(**one.model_dump()) for one in new]

    def submit(
        self, data: bytes, *, source: Source, name: str, key: str, keep_failed: bool = False
    ) -> "Future[Inspection]":
        if self.refuse is not None:
            raise self.refuse
        assert source == Source.WATCH
        self.taken.append((name, data, keep_failed))
        future: Future[Inspection] = Future()
        with self.lock:
            self.unfinished += 1
            self.most = max(self.most, self.unfinished)
        work = threading.Timer(self.slow, self._inspect, (future, data, name, key, keep_failed))
        work.start() if self.slow else work.function(*work.args)
        return future

    def _inspect(self, future: Any, data: bytes, name: str, key: str, keep_failed: bool) -> None:
        with self.lock:
            self.unfinished -= 1
        for part, error in self.fail.items():
            if part in data:
                return future.set_exception(error)
        whole = data.startswith(b"image") and data.endswith(b"end")
        if not whole and not keep_failed:
            return future.set_exception(Unusable(f"{name} is truncated or damaged."))
        error_text = "" if whole else f"{name} is truncated or damaged."
        future.set_result(self._record(key=key, name=name, image=sha256(data).hexdigest(), error=error_text))

    def _record(self, **fields: Any) -> Inspection:
        values = {"id": len(self.records) + 1, "received": datetime.now(UTC), "source": Source.WATCH}
        values |= {"image_bytes": 0, "image_type": "", "width": 0, "height": 0, **fields}
        return self.records.setdefault(fields["key"], Inspection(**values))

    @property
    def names(self) -> list[str]:
        return [name for name, *_ in self.taken]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SECONDS", 0.02)
    monkeypatch.setattr(watch, "AGAIN", 0.1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def inspector() -> Inspector:
    return Inspector()


@pytest.fixture
def start(folder: Path, inspector: Inspector) -> Iterator[Callable[..., Watch]]:
    """Starts watches over the folder; all are stopped in the end."""
    watches: list[Watch] = []

    def begin(patience: float = 0.2, **fields: Any) -> Watch:
        values = {"watch": folder, "move_to": None, "settle": 0.05, "max_upload": 1000}
        values |= {"batch_size": 2, "queue_size": 64, **fields}
        one = Watch(SimpleNamespace(**values), inspector, inspector, patience=patience)  # type: ignore[arg-type]
        watches.append(one)
        one.start()
        return one

    yield begin
    for one in watches:
        one.stop()


def test_images_are_taken_oldest_first_and_once_and_all_else_is_passed_over(
    folder: Path, tmp_path: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    put(folder / "new.png", age=10)
    put(folder / "2026-03-31" / "shift 2" / "old.JPG", age=30)
    put(folder / "2026-03-30" / "middle.tif", age=20)
    for name in (".hidden.png", ".hidden/a.png", "notes.txt", "a.png.part", "b.png.tmp", "done/c.png"):
        put(folder / name)
    outside = put(tmp_path / "outside" / "d.png")
    (folder / "link.png").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)
    (folder / "folder.png").mkdir()
    start(move_to=folder / "done")
    until(lambda: (folder / "done" / "new.png").exists())
    time.sleep(0.2)
    assert inspector.names == ["2026-03-31/shift 2/old.JPG", "2026-03-30/middle.tif", "new.png"]
    assert not (folder / "2026-03-30" / "middle.tif").exists()
    assert (folder / "done" / "2026-03-31" / "shift 2" / "old.JPG").read_bytes() == b"image end"


def test_what_stays_is_inspected_once_even_over_a_restart(
    folder: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    for number in range(20):
        put(folder / f"{number}.png", b"image %d end" % number)
    first = start()
    until(lambda: len(inspector.records) == 20)
    time.sleep(0.1)
    first.stop()
    second = start()
    put(folder / "late.png")
    until(lambda: "late.png" in inspector.names)
    time.sleep(0.1)
    assert len(inspector.taken) == len(inspector.records) == 21
    assert second.waiting == 0 and second.message == ""


def test_a_file_written_again_under_its_name_is_another_image(
    folder: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    one = start()
    for number in range(3):
        put(folder / "latest.bmp", b"image %d end" % number)
        until(lambda number=number: len(inspector.records) == number + 1)
    one.stop()
    assert [data for _, data, _ in inspector.taken] == [b"image 0 end", b"image 1 end", b"image 2 end"]
    os.utime(folder / "latest.bmp")  # touched: sent again, as far as anybody can tell
    start()
    until(lambda: len(inspector.records) == 4)


def test_a_file_is_left_alone_while_it_grows(
    folder: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    start(settle=0.3)
    with (folder / "slow.png").open("wb") as file:
        for piece in (b"image", b"1", b"2", b"3", b"4", b" end"):
            file.write(piece)
            file.flush()
            time.sleep(0.1)
    until(lambda: inspector.records)
    assert inspector.taken == [("slow.png", b"image1234 end", False)]


def test_a_camera_that_pauses_within_a_file_gives_no_bad_image(
    folder: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    one = start(patience=30)
    for content, name in ((b"image ha", "burst.png"), (b"", "empty.png")):
        (folder / name).write_bytes(content)
    until(lambda: len(inspector.taken) == 2)
    time.sleep(0.1)
    assert inspector.records == {} and one.message == "" and one.waiting == 2
    for name in ("burst.png", "empty.png"):
        (folder / name).write_bytes(b"image half end")
    until(lambda: len(inspector.records) == 2)
    assert all(record.error == "" for record in inspector.records.values())


def test_bad_files_are_recorded_once_and_put_aside(
    folder: Path, tmp_path: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    put(folder / "line 1" / "bad.png", b"garbage")
    put(folder / "empty.png", b"")
    put(folder / "huge.png", b"image" + bytes(2000) + b"end")
    one = start(move_to=tmp_path / "done")
    failed = tmp_path / "done" / "failed"
    until(lambda: {p.name for p in failed.rglob("*.png")} == {"bad.png", "empty.png", "huge.png"})
    assert (failed / "line 1" / "bad.png").read_bytes() == b"garbage"
    errors = {record.name: record.error for record in inspector.records.values()}
    assert len(errors) == 3 and all(errors.values())
    assert errors["huge.png"] == (
        "huge.png has 2008 bytes, more than the 1000 that are taken; save it smaller, or raise max_upload."
    )
    assert "huge.png" not in inspector.names
    assert [keep for name, _, keep in inspector.taken if name == "empty.png"] == [False, True]
    until(lambda: one.waiting == 0)
    assert one.message == ""


def test_bad_files_that_stay_are_not_tried_for_ever(
    folder: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    put(folder / "bad.png", b"garbage")
    put(folder / "huge.png", bytes(2000))
    one = start()
    until(lambda: len(inspector.records) == 2)
    time.sleep(0.2)
    one.stop()
    start()
    time.sleep(0.3)
    assert len(inspector.taken) == 2 and len(inspector.records) == 2


def test_nothing_is_lost_while_the_station_cannot(
    folder: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    inspector.refuse = Unavailable("The database is locked; wait.")
    for number in range(5):
        put(folder / f"{number}.png", b"image %d end" % number)
    one = start()
    until(lambda: one.message)
    assert one.message == f"New images in {folder} wait: The database is locked; wait."
    inspector.refuse = Busy("64 images are waiting already; try again in a moment.")
    time.sleep(0.2)
    assert inspector.taken == []
    inspector.refuse = None
    until(lambda: len(inspector.records) == 5 and one.message == "")
    assert len(inspector.taken) == 5


def test_an_image_that_the_model_chokes_on_does_not_hold_up_the_others(
    folder: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    inspector.fail[b"poison"] = Unavailable("poison.png has no score.")
    put(folder / "poison.png", b"image poison end", age=10)
    put(folder / "good.png")
    one = start()
    until(lambda: one.message and len(inspector.records) == 1)
    assert one.message == f"{folder / 'poison.png'} waits: poison.png has no score."
    inspector.fail.clear()
    until(lambda: len(inspector.records) == 2 and one.message == "")


def test_only_a_few_are_in_flight(folder: Path, start: Callable[..., Watch], inspector: Inspector) -> None:
    inspector.slow = 0.02
    for number in range(30):
        put(folder / f"{number}.png", b"image %d end" % number)
    one = start(batch_size=3)
    until(lambda: len(inspector.records) >= 10)
    one.stop()
    assert len(inspector.records) == len(inspector.taken) < 30  # what was handed over was finished
    assert inspector.most == 6
    start(batch_size=16, queue_size=8)
    inspector.most = 0
    until(lambda: len(inspector.records) == 30)
    assert inspector.most <= 4  # the API has its share


def test_files_that_cannot_be_read_are_named_and_taken_later(
    folder: Path,
    start: Callable[..., Watch],
    inspector: Inspector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = watch.read_arrival

    def read(file: Path, *rest: Any) -> bytes | None:
        if file.name == "gone.png":
            file.unlink(missing_ok=True)
        if file.name == "locked.png" and locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(file, *rest)

    locked = True
    monkeypatch.setattr(watch, "read_arrival", read)
    for name in ("gone.png", "locked.png", "whole.png"):
        put(folder / name)
    with caplog.at_level("INFO"):
        one = start()
        until(lambda: one.message and inspector.names == ["whole.png"])
        time.sleep(0.3)
    assert one.message == (
        f"{folder / 'locked.png'} cannot be read (Permission denied); check its permissions."
    )
    told = [getattr(record, "fields", {}) for record in caplog.records]
    assert [fields["file"] for fields in told if "file" in fields] == [str(folder / "gone.png")]
    assert [fields["problem"] for fields in told if "problem" in fields] == [one.message]
    locked = False
    until(lambda: len(inspector.records) == 2 and one.message == "")


def test_a_folder_that_goes_and_comes_back(
    folder: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    put(folder / "before.png")
    one = start()
    until(lambda: inspector.records)
    away = folder.rename(folder.with_name("away"))
    until(lambda: one.message)
    assert one.message == (
        f"{folder} cannot be watched (No such file or directory); mount it, or check the path and its "
        "permissions."
    )
    away.rename(folder)
    put(folder / "after.png", b"image after end")
    until(lambda: len(inspector.records) == 2 and one.message == "")
    assert inspector.names == ["before.png", "after.png"]


def test_a_share_that_is_unmounted_is_not_taken_for_an_empty_folder(
    folder: Path, start: Callable[..., Watch], inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = True
    monkeypatch.setattr(Path, "is_mount", lambda path: path == folder and mounted)
    one = start()
    mounted = False
    until(lambda: one.message)
    assert "cannot be watched (nothing is mounted there); mount it" in one.message
    put(folder / "local.png")
    time.sleep(0.2)
    assert inspector.taken == []
    mounted = True
    until(lambda: inspector.records and one.message == "")


def test_names_that_are_no_text_are_taken_too(
    folder: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    put(folder / os.fsdecode(b"caf\xe9.png"))
    put(folder / ("d" * 200) / ("f" * 200 + ".png"))
    start()
    until(lambda: len(inspector.records) == 2)
    assert set(inspector.names) == {"caf\ufffd.png", "d" * 50 + "/" + "f" * 200 + ".png"}


def test_a_place_to_move_to_that_fails_is_named_and_used_when_it_is_back(
    folder: Path, tmp_path: Path, start: Callable[..., Watch], inspector: Inspector
) -> None:
    done = tmp_path / "done"
    one = start(move_to=done)
    done.rmdir()
    put(folder / "a.png")
    until(lambda: one.message)
    assert one.message == (
        f"{folder / 'a.png'} was inspected but cannot be moved to {done} (there is no folder {done}); "
        "make room, or check the permissions."
    )
    done.mkdir()
    until(lambda: (done / "a.png").exists() and one.message == "")
    assert len(inspector.taken) == 1
    (tmp_path / "file").touch()
    with pytest.raises(BlemishError, match="cannot be written"):
        start(move_to=tmp_path / "file" / "done")
