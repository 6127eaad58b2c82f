"""The watched folder: every image exactly once, whatever happens to it, to the folder or to the station."""

import errno
import multiprocessing
import os
import random
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
from blemish.station import moving, watch
from blemish.station.moving import move
from blemish.station.problems import Busy, Unavailable, Unusable
from blemish.station.records import Filter, Inspection, Source
from blemish.station.settings import Settings
from blemish.station.station import Station
from blemish.station.watch import Watch
from station import bad_part, good_part, png, write_grey_model

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["blemish.station.station", "onnxruntime"])


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


def until(holds: Callable[[], Any], seconds: float = 10) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


def put(path: Path, content: bytes = b"image end", age: float = 0) -> Path:
    """Write a file as whole as a rename makes it, last written `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.utime(part, ns=(0, time.time_ns() - round(age * 1e9)))
    return part.rename(path)


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


def test_names_that_are_taken_get_a_suffix(tmp_path: Path) -> None:
    target = tmp_path / "done" / "deep" / "a.png"
    moved = [move(put(tmp_path / "a.png", b"%d" % number), target).name for number in range(3)]
    assert moved == ["a.png", "a-1.png", "a-2.png"]
    assert [(target.parent / name).read_bytes() for name in moved] == [b"0", b"1", b"2"]


def test_a_file_crosses_to_another_disk_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, here = Path.rename, tmp_path / "here"

    def other_disk(path: Path, target: Path) -> Path:
        if path.parent == here:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    file = put(here / "a.png", b"content")
    monkeypatch.setattr(Path, "rename", other_disk)
    flushed: list[Path] = []
    flush = moving._flush
    monkeypatch.setattr(moving, "_flush", lambda path: (flushed.append(path), flush(path)))
    there = tmp_path / "there"
    before = file.stat().st_mtime_ns
    assert move(file, there / "a.png") == there / "a.png"
    assert (there / "a.png").read_bytes() == b"content" and (there / "a.png").stat().st_mtime_ns == before
    assert not file.exists() and flushed == [there / ".a.png.part", there]

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (here / "a.png").write_bytes(b"more")
    monkeypatch.setattr(moving, "_flush", full)
    with pytest.raises(OSError, match="No space"):
        move(here / "a.png", there / "a.png")
    assert (here / "a.png").read_bytes() == b"more" and list(there.iterdir()) == [there / "a.png"]


def run_station(settings: dict[str, Any], started: Any) -> None:
    """The process that is killed."""
    watch.SECONDS = 0.02
    Station(Settings(**settings)).start()
    started.set()
    time.sleep(600)


@pytest.mark.parametrize("moving_away", [True, False])
def test_killed_again_and_again_each_file_has_one_record(tmp_path: Path, moving_away: bool) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    settings: dict[str, Any] = {
        "model": write_grey_model(tmp_path / "grey.onnx"),
        "folder": tmp_path / "station",
        "watch": folder,
        "move_to": tmp_path / "done" if moving_away else None,
        "settle": 0.05,
        "min_free_gb": 0,
        "threads": 1,
    }
    files = {f"{number % 3}/{number:03}.png": png(good_part(number)) for number in range(60)}
    files |= {f"{number:03}.png": png(bad_part(number)) for number in range(60, 90)}
    waiting, draw = list(files.items()), random.Random(0)
    draw.shuffle(waiting)
    while waiting:
        started = PROCESSES.Event()
        process = PROCESSES.Process(target=run_station, args=(settings, started), daemon=True)
        process.start()
        assert started.wait(60)
        for _ in range(18):
            name, content = waiting.pop()
            put(folder / name, content)
            time.sleep(0.02 * draw.random())
        time.sleep(0.2 * draw.random())
        process.kill()
        process.join()
    station = Station(Settings(**settings))
    station.start()
    try:
        until(lambda: station.store.count(Filter()) >= len(files) and station.watch.waiting == 0, 30)
        time.sleep(1)
        records = station.store.select(Filter(), limit=1000)
        images = {name: sha256(content).hexdigest() for name, content in files.items()}
        assert sorted(record.name for record in records) == sorted(files)
        assert all(record.image == images[record.name] and record.score for record in records)
        assert all(station.files.read(str(record.image)) == files[record.name] for record in records)
    finally:
        station.stop()
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    assert left == ([] if moving_away else sorted(files))
