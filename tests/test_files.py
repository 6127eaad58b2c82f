"""Files are whole or not there; devices and pipes are written to as they are."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blemish import files
from blemish.errors import BlemishError
from blemish.files import (
    STANDARD_OUTPUT,
    check_output,
    file_digest,
    make_folder,
    unfinished,
    value_digest,
    whole_file,
    write_whole,
    writing,
)


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
    with pytest.raises(BlemishError, match=sentence):
        write_whole(tmp_path / "rows", b"")
    assert list(tmp_path.iterdir()) == []
    gone = tmp_path / "gone" / "rows"
    with pytest.raises(BlemishError, match=r"cannot be written \(No such file or dir"), whole_file(gone):
        pass
    with pytest.raises(BrokenPipeError), writing("Standard output"):
        raise BrokenPipeError


@pytest.mark.parametrize("way", ["{}", "link", "/dev/fd/{:d}"])
def test_what_is_no_ordinary_file_is_written_as_it_is(tmp_path: Path, way: str) -> None:
    """Pipes, links to them, and files that a shell has opened."""
    if way.startswith("/dev") and not Path("/dev/fd").exists():
        pytest.skip("no /dev/fd")
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("pipe")
    listener = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    listener.start()
    if way.startswith("/dev"):
        with pipe.open("w") as opened, (tmp_path / "file").open("w") as file:
            for stream in (opened, file):
                stream.write("first ")
                stream.flush()
                path = Path(way.format(stream.fileno()))
                check_output(path)
                with whole_file(path) as rows:
                    rows.write("rows")
                stream.write(" last")
        assert (tmp_path / "file").read_text() == "first rows last"
    else:
        path = tmp_path / way.format("pipe")
        check_output(path)
        with whole_file(path) as rows:
            rows.write("first rows last")
    listener.join(10)
    assert heard == ["first rows last"] and pipe.is_fifo()
    assert {path.name for path in tmp_path.iterdir()} <= {"pipe", "link", "file"}


def test_a_dash_is_standard_output(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_output(STANDARD_OUTPUT)
    with whole_file(STANDARD_OUTPUT) as rows:
        rows.write("rows ")
    write_whole(STANDARD_OUTPUT, b"bytes")
    assert capfd.readouterr().out == "rows bytes"
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(BlemishError, match="Standard output is closed; name a file"), whole_file(Path("-")):
        pass


@pytest.mark.parametrize("there", [True, False])
def test_links_are_followed(tmp_path: Path, there: bool) -> None:
    target, link = tmp_path / "other" / "file", tmp_path / "link"
    target.parent.mkdir()
    if there:
        target.write_text("old")
    (tmp_path / "between").symlink_to("other/file")
    link.symlink_to("between")
    check_output(link)
    with pytest.raises(KeyboardInterrupt), whole_file(link) as file:
        file.write("half")
        raise KeyboardInterrupt
    assert target.exists() == there and (not there or target.read_text() == "old")
    write_whole(link, b"new")
    assert link.is_symlink() and target.read_text() == "new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["between", "file", "link", "other"]
    target.unlink()
    target.parent.rmdir()
    with pytest.raises(BlemishError, match=r"there is no folder .*other"):
        check_output(link)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BlemishError, match="loop is a link that leads nowhere; name another"):
        check_output(tmp_path / "loop")


def test_two_runs_do_not_share_a_file(tmp_path: Path) -> None:
    path, link = tmp_path / "rows", tmp_path / "link"
    link.symlink_to(path)
    with whole_file(path, keep_unfinished=True) as file:
        file.write("first")
        for other in (path, link):
            with pytest.raises(
                BlemishError, match=r"(rows|link) is being written by another run; wait for it"
            ):
                write_whole(other, b"second")
    assert path.read_text() == "first"
    (tmp_path / "rows.part").write_text("left by a run that was killed, and long")
    write_whole(path, b"third")
    assert path.read_text() == "third" and not (tmp_path / "rows.part").exists()


def test_a_file_that_has_just_got_its_name_is_not_taken_for_an_unfinished_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, part, real_hold = tmp_path / "rows", tmp_path / "rows.part", files.hold
    part.write_text("of another run")
    finishing = [lambda: part.replace(path)]

    def hold(file: Any) -> bool:
        if finishing:
            finishing.pop()()
        return real_hold(file)

    monkeypatch.setattr(files, "hold", hold)
    with whole_file(path) as file:
        assert path.read_text() == "of another run"
        file.write("mine")
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["a" * 255, "\N{GREEK SMALL LETTER ALPHA}" * 127, "a" * 251])
def test_the_longest_names_can_be_written(tmp_path: Path, name: str) -> None:
    with whole_file(tmp_path / name) as file:
        file.write("rows")
        assert len(os.fsencode(unfinished(tmp_path / name).name)) <= 255
    assert [path.name for path in tmp_path.iterdir()] == [name]


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
