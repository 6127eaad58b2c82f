"""The watched folder: every image exactly once, whatever happens to it, to the folder or to the station."""

import os
import time
from pathlib import Path

import pytest

from blemish.station import watched_folder
from blemish.station.errors import Busy, Unavailable
from tests.station.support import Inspector, Watch, put, until


def test_images_are_taken_oldest_first_and_once_and_all_else_is_passed_over(
    folder: Path, tmp_path: Path, watch: Watch, inspector: Inspector
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
    watch(move_to=folder / "done")
    until(lambda: (folder / "done" / "new.png").exists())
    time.sleep(0.2)
    assert inspector.names == ["2026-03-31/shift 2/old.JPG", "2026-03-30/middle.tif", "new.png"]
    assert not (folder / "2026-03-30" / "middle.tif").exists()
    assert (folder / "done" / "2026-03-31" / "shift 2" / "old.JPG").read_bytes() == b"image end"


def test_what_stays_is_inspected_once_even_over_a_restart(
    folder: Path, watch: Watch, inspector: Inspector
) -> None:
    for number in range(20):
        put(folder / f"{number}.png", b"image %d end" % number)
    first = watch()
    until(lambda: len(inspector.records) == 20)
    time.sleep(0.1)
    first.stop()
    second = watch()
    put(folder / "late.png")
    until(lambda: "late.png" in inspector.names)
    time.sleep(0.1)
    assert len(inspector.taken) == len(inspector.records) == 21
    assert second.message == ""


def test_a_file_written_again_under_its_name_is_another_image(
    folder: Path, watch: Watch, inspector: Inspector
) -> None:
    one = watch()
    for number in range(3):
        put(folder / "latest.bmp", b"image %d end" % number)
        until(lambda number=number: len(inspector.records) == number + 1)
    one.stop()
    assert [data for _, data, _ in inspector.taken] == [b"image 0 end", b"image 1 end", b"image 2 end"]
    os.utime(folder / "latest.bmp")  # touched: sent again, as far as anybody can tell
    watch()
    until(lambda: len(inspector.records) == 4)


def test_a_file_is_left_alone_while_it_grows(folder: Path, watch: Watch, inspector: Inspector) -> None:
    watch(settle=0.3)
    with (folder / "slow.png").open("wb") as file:
        for piece in (b"image", b"1", b"2", b"3", b"4", b" end"):
            file.write(piece)
            file.flush()
            time.sleep(0.1)
    until(lambda: inspector.records)
    assert inspector.taken == [("slow.png", b"image1234 end", False)]


def test_a_camera_that_pauses_within_a_file_gives_no_bad_image(
    folder: Path, watch: Watch, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_folder, "PATIENCE", 30)
    one = watch()
    for content, name in ((b"image ha", "burst.png"), (b"", "empty.png")):
        (folder / name).write_bytes(content)
    until(lambda: len(inspector.taken) == 2)
    time.sleep(0.1)
    assert inspector.records == {} and one.message == ""
    for name in ("burst.png", "empty.png"):
        (folder / name).write_bytes(b"image half end")
    until(lambda: len(inspector.records) == 2)
    assert all(record.error == "" for record in inspector.records.values())


def test_bad_files_are_recorded_once_and_put_aside(
    folder: Path, tmp_path: Path, watch: Watch, inspector: Inspector
) -> None:
    put(folder / "line 1" / "bad.png", b"garbage")
    put(folder / "empty.png", b"")
    put(folder / "huge.png", b"image" + bytes(2000) + b"end")
    one = watch(move_to=tmp_path / "done")
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
    assert one.message == ""


def test_bad_files_that_stay_are_not_tried_for_ever(folder: Path, watch: Watch, inspector: Inspector) -> None:
    put(folder / "bad.png", b"garbage")
    put(folder / "huge.png", bytes(2000))
    one = watch()
    until(lambda: len(inspector.records) == 2)
    time.sleep(0.2)
    one.stop()
    watch()
    time.sleep(0.3)
    assert len(inspector.taken) == 2 and len(inspector.records) == 2


def test_nothing_is_lost_while_the_station_cannot(folder: Path, watch: Watch, inspector: Inspector) -> None:
    inspector.refuse = Unavailable("The database is locked; wait.")
    for number in range(5):
        put(folder / f"{number}.png", b"image %d end" % number)
    one = watch()
    until(lambda: one.message)
    assert one.message == f"New images in {folder} wait: The database is locked; wait."
    inspector.refuse = Busy("64 images are waiting already; try again in a moment.")
    time.sleep(0.2)
    assert inspector.taken == []
    inspector.refuse = None
    until(lambda: len(inspector.records) == 5 and one.message == "")
    assert len(inspector.taken) == 5


def test_an_image_that_the_model_chokes_on_does_not_hold_up_the_others(
    folder: Path, watch: Watch, inspector: Inspector
) -> None:
    inspector.fail[b"poison"] = Unavailable("poison.png has no score.")
    put(folder / "poison.png", b"image poison end", age=10)
    put(folder / "good.png")
    one = watch()
    until(lambda: one.message and len(inspector.records) == 1)
    assert one.message == f"{folder / 'poison.png'} waits: poison.png has no score."
    inspector.fail.clear()
    until(lambda: len(inspector.records) == 2 and one.message == "")


def test_only_a_few_are_in_flight(folder: Path, watch: Watch, inspector: Inspector) -> None:
    inspector.slow = 0.02
    for number in range(30):
        put(folder / f"{number}.png", b"image %d end" % number)
    one = watch(batch_size=3)
    until(lambda: len(inspector.records) >= 10)
    one.stop()
    assert len(inspector.records) == len(inspector.taken) < 30  # what was handed over was finished
    assert inspector.most == 6
    watch(batch_size=16, queue_size=8)
    inspector.most = 0
    until(lambda: len(inspector.records) == 30)
    assert inspector.most <= 4  # the API has its share


def test_another_image_of_the_same_name_time_and_size_is_another_image(
    folder: Path, watch: Watch, inspector: Inspector
) -> None:
    first = put(folder / "a.png", b"image 1 end", age=5)
    watch()
    until(lambda: len(inspector.records) == 1)
    second = put(folder / "b.part", b"image 2 end")
    os.utime(second, ns=(0, first.stat().st_mtime_ns))
    second.rename(first)
    until(lambda: len(inspector.records) == 2)
