"""Files are whole or not there; devices and pipes are written to as they are."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blemish.errors import BlemishError
from blemish.files import check_output, file_digest, make_folder, value_digest, whole_file, writing


def test_a_file_takes_its_name_when_it_is_complete_and_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls = tmp_path / "rows", []
    replace: Callable[..., Any] = Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: calls.append("fsync"))
    monkeypatch.setattr(Path, "replace", lambda *paths: calls.append("replace") or replace(*paths))
    path.write_text("old")
    with whole_file(path) as file:
        file.write("né\n")
        file.write(os.fsdecode(b"\xff"))
        assert path.read_text() == "old"
    assert path.read_bytes() == b"n\xc3\xa9\n\xff" and calls == ["fsync", "replace"]
    with whole_file(path, "wb") as file:
        file.write(b"bytes")
    assert path.read_bytes() == b"bytes" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left"), BlemishError("no")])
def test_a_failure_keeps_the_old_file_and_what_was_asked_for(
    tmp_path: Path, keep: bool, failure: BaseException
) -> None:
    path, unfinished = tmp_path / "rows", tmp_path / "rows.part"
    path.write_text("old")
    with pytest.raises(type(failure)), whole_file(path, keep_unfinished=keep) as file:
        file.write("new")
        raise failure
    assert path.read_text() == "old"
    assert unfinished.exists() == keep and (not keep or unfinished.read_text() == "new")
    with whole_file(path, keep_unfinished=keep) as file:
        file.write("newer")
    assert path.read_text() == "newer" and not unfinished.exists()


def test_what_the_disk_says_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    sentence = r"rows cannot be written \(No space left on device\); make room or choose another place"
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BlemishError, match=sentence), whole_file(tmp_path / "rows"):
        pass
    assert list(tmp_path.iterdir()) == []
    gone = tmp_path / "gone" / "rows"
    with pytest.raises(BlemishError, match=r"cannot be written \(No such file or dir"), whole_file(gone):
        pass
    with pytest.raises(BrokenPipeError), writing("Standard output"):
        raise BrokenPipeError


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    listener = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    listener.start()
    with whole_file(pipe) as file:
        file.write("rows")
    listener.join(10)
    assert heard == ["rows"] and pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


def test_outputs_are_refused_before_anything_slow_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_output(tmp_path / "rows")
    with pytest.raises(BlemishError, match="is a folder; name a file"):
        check_output(tmp_path)
    with pytest.raises(BlemishError, match=r"there is no folder .*no"):
        check_output(tmp_path / "no" / "rows")
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(BlemishError, match="rows cannot be written; choose another place"):
        check_output(tmp_path / "rows")


def test_a_folder_is_made_that_can_be_written_to(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(BlemishError, match=r"Nothing can be written to .*file \(.*\); choose another folder"):
        make_folder(tmp_path / "file")


def test_digests_are_of_content(tmp_path: Path) -> None:
    for name, content in (("a", b"x" * 2**21), ("b", b"x" * 2**21), ("c", b"y")):
        (tmp_path / name).write_bytes(content)
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b") != file_digest(tmp_path / "c")
    assert value_digest({"a": 1, "b": [2.5]}) == value_digest({"b": [2.5], "a": 1}) != value_digest({"a": 1})
