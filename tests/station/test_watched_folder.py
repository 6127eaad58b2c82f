"""The watched folder: every image exactly once, whatever happens to it, to the folder or to the station."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blemish.errors import BlemishError
from blemish.station import watched_folder
from blemish.station.pipeline import Pipeline
from blemish.station.recipe import Recipe
from blemish.station.records import Filter, Inspection, Source
from blemish.station.settings import Settings
from blemish.station.station import Station
from tests.station.support import Scoring, encoded, put, until

Watch = Callable[..., Station]


def flat(level: int = 0) -> bytes:
    return encoded(np.full((64, 64, 3), level, np.uint8), "BMP")


def records(station: Station) -> list[Inspection]:
    return station.store.select(Filter(), limit=100)[::-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.fixture
def watch(folder: Path, grey_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Starts stations that look into the folder impatiently; all are stopped in the end."""
    for name, seconds in (("SECONDS", 0.02), ("AGAIN", 0.1), ("PATIENCE", 0.2)):
        monkeypatch.setattr(watched_folder, name, seconds)
    started: list[Station] = []

    def start(**more: Any) -> Station:
        values: dict[str, Any] = {"model": grey_model, "folder": folder.parent / "station", "watch": folder}
        values |= {"settle": 0.05, "max_upload": 20_000, "min_free_gb": 0, "threads": 1}
        station = Station(Settings(**values | more))
        started.append(station)
        station.start()
        return station

    yield start
    for station in started:
        station.stop()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are handed over."""
    names: list[str] = []
    submit = Pipeline.submit

    def noting(pipeline: Pipeline, recipe: Recipe, data: bytes, **given: Any) -> Any:
        names.append(given["name"])
        return submit(pipeline, recipe, data, **given)

    monkeypatch.setattr(Pipeline, "submit", noting)
    return names


def test_images_come_once_oldest_first(folder: Path, tmp_path: Path, watch: Watch, taken: list[str]) -> None:
    put(folder / "new.png", flat(1), age=10)
    put(folder / "2026-03-31" / "shift 2" / "old.JPG", flat(2), age=30)
    put(folder / "2026-03-30" / "middle.tif", flat(3), age=20)
    for name in (".hidden/a.png", "@eaDir/a.png", "x.gif", "a.txt", "a.png.part", "b.png.tmp", "done/c.png"):
        put(folder / name, flat())
    (folder / "link.png").symlink_to(put(tmp_path / "outside" / "d.png", flat()))
    (folder / "linked").symlink_to(tmp_path / "outside")
    (folder / "folder.png").mkdir()
    station = watch(move_to=folder / "done")
    until(lambda: (folder / "done" / "anomalous" / "new.png").exists())
    time.sleep(0.2)
    assert taken == ["2026-03-31/shift 2/old.JPG", "2026-03-30/middle.tif", "new.png"]
    assert station.watched and "1 file is passed over" in station.watched["grey"].message
    assert not (folder / "2026-03-30" / "middle.tif").exists()
    assert (folder / "done" / "anomalous" / "2026-03-31" / "shift 2" / "old.JPG").read_bytes() == flat(2)


def test_what_stays_is_inspected_once_over_a_restart(folder: Path, watch: Watch, taken: list[str]) -> None:
    for number in range(20):
        put(folder / f"{number}.png", flat(number))
    put(folder / "bad.png", b"garbage")
    put(folder / "huge.png", bytes(22_000))
    put(folder / os.fsdecode(b"caf\xe9.png"), flat(30))
    put(folder / ("d" * 200) / ("f" * 200 + ".png"), flat(31))
    first = watch()
    until(lambda: len(records(first)) == 24)
    first.stop()
    assert len(taken) == 24  # the bad one twice, the huge one never
    assert {"caf\ufffd.png", "d" * 50 + "/" + "f" * 200 + ".png"} < set(taken)
    second = watch()
    put(folder / "late.png", flat(40))
    until(lambda: "late.png" in taken)
    time.sleep(0.3)
    assert len(taken) == len(records(second)) == 25 and second.watched["grey"].message == ""


def test_another_image_under_a_name_is_another_image(folder: Path, watch: Watch) -> None:
    station = watch()
    for number in range(3):
        put(folder / "latest.bmp", flat(number))
        until(lambda number=number: len(records(station)) == number + 1)
    other = put(folder / "b.part", flat(5))
    os.utime(other, ns=(0, (folder / "latest.bmp").stat().st_mtime_ns))
    other.rename(folder / "latest.bmp")
    until(lambda: len(records(station)) == 4)
    os.utime(folder / "latest.bmp")  # touched: sent again, as far as anybody can tell
    until(lambda: len(records(station)) == 5)


def test_a_file_that_is_still_being_written_is_no_bad_image(
    folder: Path, watch: Watch, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_folder, "PATIENCE", 30)
    station = watch(settle=0.3)
    for content, name in ((flat()[:50], "burst.png"), (b"", "empty.png")):
        (folder / name).write_bytes(content)
    with (folder / "slow.png").open("wb", buffering=0) as file:
        for at in range(0, len(flat()), 3000):
            file.write(flat()[at : at + 3000])
            time.sleep(0.1)
    until(lambda: len(taken) == 3 and records(station))
    assert [record.name for record in records(station)] == ["slow.png"] and station.watched[
        "grey"
    ].message == ""
    for name in ("burst.png", "empty.png"):
        (folder / name).write_bytes(flat())
    until(lambda: len(records(station)) == 3)
    assert all(record.error == "" for record in records(station)) and taken.count("slow.png") == 1


def test_bad_files_are_put_aside_once(folder: Path, tmp_path: Path, watch: Watch, taken: list[str]) -> None:
    put(folder / "line 1" / "bad.png", b"garbage")
    put(folder / "empty.png", b"")
    put(folder / "huge.png", bytes(22_008))
    station = watch(move_to=tmp_path / "done")
    failed = tmp_path / "done" / "error"
    until(lambda: {p.name for p in failed.rglob("*.png")} == {"bad.png", "empty.png", "huge.png"})
    assert (failed / "line 1" / "bad.png").read_bytes() == b"garbage"
    errors = {record.name: record.error for record in records(station)}
    assert len(errors) == len(records(station)) == 3 and all(errors.values())
    assert errors["huge.png"] == (
        "huge.png has 22008 bytes, more than the 20000 that are taken; save it smaller, or raise max_upload."
    )
    assert station.watched["grey"].message == ""


def test_nothing_is_lost_while_the_station_cannot(folder: Path, watch: Watch, scoring: Scoring) -> None:
    station = watch(queue_size=2)
    pipeline, problem, free = station.pipeline, station.pipeline.problem, threading.Event()
    pipeline.problem = lambda: "The database is locked; wait."
    for number in range(5):
        put(folder / f"{number}.png", flat(number))
    until(lambda: station.watched["grey"].message)
    assert station.watched["grey"].message == f"New images in {folder} wait: The database is locked; wait."
    scoring(station, lambda images: free.wait(30))
    pipeline.problem = problem
    others = [
        pipeline.submit(station.default, flat(level), source=Source.API, name="") for level in (100, 101)
    ]
    time.sleep(0.2)
    assert pipeline.unfinished == 2  # as many as it takes
    free.set()
    until(lambda: len(records(station)) == 7 and station.watched["grey"].message == "")
    assert all(other.result().error == "" for other in others)


def test_an_image_the_model_chokes_on_holds_up_no_other(folder: Path, watch: Watch, scoring: Scoring) -> None:
    station, poisonous = watch(batch_size=1), [66]

    def choke(images: list[np.ndarray]) -> None:
        if images[0].max() in poisonous:
            raise ValueError("poison")

    scoring(station, choke)
    put(folder / "poison.png", flat(66), age=10)
    put(folder / "good.png", flat())
    until(lambda: station.watched["grey"].message and len(records(station)) == 1)
    assert station.watched["grey"].message.startswith(
        f"{folder / 'poison.png'} waits: grey.onnx could not score"
    )
    poisonous.clear()
    until(lambda: len(records(station)) == 2 and station.watched["grey"].message == "")


@pytest.mark.parametrize(("sizes", "most"), [({"batch_size": 3}, 6), ({"queue_size": 8}, 4)])
def test_only_a_few_are_in_flight_and_the_rest_is_left_to_the_api(
    folder: Path, watch: Watch, taken: list[str], scoring: Scoring, sizes: dict[str, int], most: int
) -> None:
    station, flying = watch(**sizes), []

    def slowly(images: list[np.ndarray]) -> None:
        flying.append(station.pipeline.unfinished)
        time.sleep(0.02)

    scoring(station, slowly)
    for number in range(30):
        put(folder / f"{number}.png", flat(number))
    until(lambda: len(records(station)) >= 10)
    station.stop()
    assert len(records(station)) == len(taken) < 30  # what was handed over was finished
    assert max(flying) == most


def test_files_that_cannot_be_read_are_named_and_taken_later(
    folder: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real, locked = watched_folder.read_file, [True]

    def read(file: Path, *rest: Any) -> bytes | None:
        if file.name == "gone.png":
            file.unlink(missing_ok=True)
        if file.name == "locked.png" and locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(file, *rest)

    monkeypatch.setattr(watched_folder, "read_file", read)
    for name in ("gone.png", "locked.png", "whole.png"):
        put(folder / name, flat())
    with caplog.at_level("INFO"):
        station = watch()
        until(lambda: station.watched["grey"].message and len(records(station)) == 1)
        time.sleep(0.3)
    expected = f"{folder / 'locked.png'} cannot be read (Permission denied); check its permissions."
    assert station.watched["grey"].message == expected
    told = [vars(record) for record in caplog.records]
    assert [extra["file"] for extra in told if "file" in extra] == [str(folder / "gone.png")]
    assert [extra["problem"] for extra in told if "problem" in extra] == [expected]
    locked.clear()
    until(lambda: len(records(station)) == 2 and station.watched["grey"].message == "")


def test_a_folder_goes_and_comes_back(folder: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted = [True]
    monkeypatch.setattr(Path, "is_mount", lambda path: path == folder and bool(mounted))
    put(folder / "before.png", flat())
    station = watch()
    until(lambda: records(station))
    away = folder.rename(folder.with_name("away"))
    until(lambda: station.watched["grey"].message)
    assert station.watched["grey"].message.startswith(
        f"{folder} cannot be watched (No such file or directory); mount it, or"
    )
    away.rename(folder)
    put(folder / "after.png", flat())
    until(lambda: len(records(station)) == 2 and station.watched["grey"].message == "")
    mounted.clear()
    until(lambda: station.watched["grey"].message)
    assert "cannot be watched (nothing is mounted there); mount it" in station.watched["grey"].message
    put(folder / "local.png", flat())
    time.sleep(0.2)
    assert len(records(station)) == 2  # it is not taken for the folder
    mounted.append(True)
    until(lambda: len(records(station)) == 3 and station.watched["grey"].message == "")


def test_a_lost_move_to_is_named(folder: Path, tmp_path: Path, watch: Watch, taken: list[str]) -> None:
    done = tmp_path / "done"
    station = watch(move_to=done)
    done.rmdir()
    put(folder / "a.png", flat())
    until(lambda: station.watched["grey"].message)
    assert station.watched["grey"].message == (
        f"{folder / 'a.png'} was inspected but cannot be moved to {done / 'anomalous'} "
        f"(there is no folder {done}); make room, or check the permissions."
    )
    done.mkdir()
    until(lambda: (done / "anomalous" / "a.png").exists() and station.watched["grey"].message == "")
    assert taken == ["a.png"]
    station.stop()
    (tmp_path / "file").touch()
    with pytest.raises(BlemishError, match="Nothing can be written to"):
        watch(move_to=tmp_path / "file" / "done")
