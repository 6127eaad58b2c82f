"""Inspected files on their way to another folder: never over another, never lost in between."""

import errno
from pathlib import Path

import pytest

from blemish.station import watched_files
from blemish.station.watched_files import move_file
from tests.station.support import put


def test_names_that_are_taken_get_a_suffix(tmp_path: Path) -> None:
    target = tmp_path / "done" / "deep" / "a.png"
    moved = [move_file(put(tmp_path / "a.png", b"%d" % number), target).name for number in range(3)]
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
    flush = watched_files.synchronise
    monkeypatch.setattr(watched_files, "synchronise", lambda path: (flushed.append(path), flush(path)))
    there = tmp_path / "there"
    before = file.stat().st_mtime_ns
    assert move_file(file, there / "a.png") == there / "a.png"
    assert (there / "a.png").read_bytes() == b"content" and (there / "a.png").stat().st_mtime_ns == before
    assert not file.exists() and flushed == [there / ".a.png.part", there]

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (here / "a.png").write_bytes(b"more")
    monkeypatch.setattr(watched_files, "synchronise", full)
    with pytest.raises(OSError, match="No space"):
        move_file(here / "a.png", there / "a.png")
    assert (here / "a.png").read_bytes() == b"more" and list(there.iterdir()) == [there / "a.png"]


def test_another_file_that_takes_the_name_while_it_is_copied_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, copy, rename = put(tmp_path / "a.png", b"first"), watched_files.shutil.copy2, Path.rename

    def slowly(source: Path, target: Path) -> None:
        copy(source, target)
        put(tmp_path / "a.png", b"later")

    def other_disk(path: Path, target: Path) -> Path:
        if path == file:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(watched_files.shutil, "copy2", slowly)
    monkeypatch.setattr(Path, "rename", other_disk)
    moved = move_file(file, tmp_path / "done" / "a.png")
    assert moved.read_bytes() == b"first" and file.read_bytes() == b"later"
