"""Watched files and folders that cannot be read, go away, or cannot be moved to."""

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest

from blemish.errors import BlemishError
from blemish.station import watched_folder
from tests.station.support import Inspector, Watch, put, until


def test_files_that_cannot_be_read_are_named_and_taken_later(
    folder: Path,
    watch: Watch,
    inspector: Inspector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = watched_folder.read_file

    def read(file: Path, *rest: Any) -> bytes | None:
        if file.name == "gone.png":
            file.unlink(missing_ok=True)
        if file.name == "locked.png" and locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(file, *rest)

    locked = True
    monkeypatch.setattr(watched_folder, "read_file", read)
    for name in ("gone.png", "locked.png", "whole.png"):
        put(folder / name)
    with caplog.at_level("INFO"):
        one = watch()
        until(lambda: one.message and inspector.names == ["whole.png"])
        time.sleep(0.3)
    assert one.message == (
        f"{folder / 'locked.png'} cannot be read (Permission denied); check its permissions."
    )
    told = [vars(record) for record in caplog.records]
    assert [extra["file"] for extra in told if "file" in extra] == [str(folder / "gone.png")]
    assert [extra["problem"] for extra in told if "problem" in extra] == [one.message]
    locked = False
    until(lambda: len(inspector.records) == 2 and one.message == "")


def test_a_folder_that_goes_and_comes_back(folder: Path, watch: Watch, inspector: Inspector) -> None:
    put(folder / "before.png")
    one = watch()
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
    folder: Path, watch: Watch, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = True
    monkeypatch.setattr(Path, "is_mount", lambda path: path == folder and mounted)
    one = watch()
    mounted = False
    until(lambda: one.message)
    assert "cannot be watched (nothing is mounted there); mount it" in one.message
    put(folder / "local.png")
    time.sleep(0.2)
    assert inspector.taken == []
    mounted = True
    until(lambda: inspector.records and one.message == "")


def test_names_that_are_no_text_are_taken_too(folder: Path, watch: Watch, inspector: Inspector) -> None:
    put(folder / os.fsdecode(b"caf\xe9.png"))
    put(folder / ("d" * 200) / ("f" * 200 + ".png"))
    watch()
    until(lambda: len(inspector.records) == 2)
    assert set(inspector.names) == {"caf\ufffd.png", "d" * 50 + "/" + "f" * 200 + ".png"}


def test_a_place_to_move_to_that_fails_is_named_and_used_when_it_is_back(
    folder: Path, tmp_path: Path, watch: Watch, inspector: Inspector
) -> None:
    done = tmp_path / "done"
    one = watch(move_to=done)
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
    with pytest.raises(BlemishError, match="Nothing can be written to"):
        watch(move_to=tmp_path / "file" / "done")
