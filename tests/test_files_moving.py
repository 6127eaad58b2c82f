"""Files on their way to another folder: never over another, never lost in between."""

import errno
import shutil
from pathlib import Path
from unittest.mock import Mock

import pytest

from blemish import files
from blemish.files import move_file


def put(path: Path, content: bytes) -> Path:
    """Write a file, and the folder that it lies in."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a disk of its own."""
    rename = Path.rename

    def other_disk(path: Path, target: Path) -> Path:
        if path.parent == tmp_path / "here" and target.parent != path.parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", other_disk)
    return tmp_path / "here"


def test_names_that_are_taken_get_a_suffix(tmp_path: Path) -> None:
    target = tmp_path / "done" / "deep" / "a.png"
    moved = [move_file(put(tmp_path / "a.png", b"%d" % number), target).name for number in range(3)]
    assert moved == ["a.png", "a-1.png", "a-2.png"]
    assert [(target.parent / name).read_bytes() for name in moved] == [b"0", b"1", b"2"]


def test_a_result_lies_beside_before_the_file_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, there = tmp_path / "done" / "a.png", []
    rename = Path.rename
    monkeypatch.setattr(
        Path, "rename", lambda *paths: (there.extend(target.parent.glob("*.json")), rename(*paths))[1]
    )
    for number in range(2):
        move_file(put(tmp_path / "a.png", b"%d" % number), target, b"result %d" % number)
    target.unlink()  # somebody took it, and left its result
    assert move_file(put(tmp_path / "a.png", b"2"), target, b"result 2").name == "a-2.png"
    for name in ("a.png", "a-1.png", "a-2.png"):
        assert target.with_name(f"{name}.json") in there
    # a kill between result and move: the same again takes the same name
    target.with_name("b.png.json").write_bytes(b"result 3")
    assert move_file(put(tmp_path / "b.png", b"3"), target.with_name("b.png"), b"result 3").name == "b.png"
    results = {path.name: path.read_bytes() for path in target.parent.glob("*.json")}
    kept = {"a.png.json": b"result 0", "a-1.png.json": b"result 1", "a-2.png.json": b"result 2"}
    assert results == kept | {"b.png.json": b"result 3"}


def test_a_file_changes_the_disk_whole(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    flush = files.synchronise
    monkeypatch.setattr(files, "synchronise", lambda path: (flushed.append(path), flush(path)))
    file, there = put(here / "a.png", b"content"), tmp_path / "there"
    before = file.stat().st_mtime_ns
    assert move_file(file, there / "a.png") == there / "a.png"
    assert (there / "a.png").read_bytes() == b"content" and (there / "a.png").stat().st_mtime_ns == before
    assert not file.exists() and flushed == [there / ".a.png.part", there]

    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    file.write_bytes(b"more")
    monkeypatch.setattr(files, "synchronise", full)
    with pytest.raises(OSError, match="No space"):
        move_file(file, there / "a.png")
    assert file.read_bytes() == b"more" and list(there.iterdir()) == [there / "a.png"]


def test_a_file_rewritten_meanwhile_stays(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, copy = put(here / "a.png", b"first"), shutil.copy2
    monkeypatch.setattr(shutil, "copy2", lambda source, target: (copy(source, target), put(file, b"later")))
    moved = move_file(file, tmp_path / "done" / "a.png")
    assert moved.read_bytes() == b"first" and file.read_bytes() == b"later"
