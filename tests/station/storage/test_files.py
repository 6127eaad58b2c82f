"""Files are whole or not there, stay once they are acknowledged, and belong to one station at a time."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blemish.errors import BlemishError
from blemish.station.errors import NotFound, Unavailable
from blemish.station.storage.files import Files, digest_of
from tests.station.storage.support import add_files, limited_file_size


def kept(folder: Path) -> dict[str, bytes]:
    """Every file in the folder but the lock, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_what_goes_in_comes_out_under_its_digest(files: Files) -> None:
    contents = [b"one", b"two" * 100_000, b"", b"one"]
    digests = add_files(files, *contents)
    assert [files.read(name) for name in digests] == contents
    assert kept(files.folder) == {f"{name[:2]}/{name}": files.read(name) for name in digests}
    assert digests[0] in files.stored(digests[0][:2])
    assert add_files(files) == []


def test_a_damaged_file_is_written_again(files: Files) -> None:
    (name,) = add_files(files, b"content")
    (files.folder / name[:2] / name).write_bytes(b"cont")
    add_files(files, b"content")
    assert files.read(name) == b"content"


def test_removing(files: Files) -> None:
    one, two = add_files(files, b"one", b"two")
    files.remove([one, digest_of(b"never there")])
    with pytest.raises(NotFound, match="gone"):
        files.read(one)
    assert files.read(two) == b"two" and files.stored(one[:2]) == set()
    (files.folder / two[:2] / "Thumbs.db").touch()
    assert files.stored(two[:2]) == {two}


def test_everything_is_synced_before_it_is_acknowledged(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def noting(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    one, two = add_files(files, b"one", b"two")
    assert set(synced[:2]) == {f"{one}.part", f"{two}.part"}
    assert set(synced[2:]) == {one[:2], two[:2]}
    synced.clear()
    add_files(files, b"one")
    assert synced == [one[:2]]  # whoever wrote it may have been killed before this


def test_a_folder_belongs_to_one_station(files: Files) -> None:
    with pytest.raises(BlemishError, match="Another station uses the folder") as error:
        Files(files.folder)
    assert str(files.folder) in str(error.value)
    add_files(files, b"goes on")


@pytest.mark.slow
def test_a_kill_leaves_nothing_half_written_and_no_lock(tmp_path: Path) -> None:
    code = """
import sys
from itertools import count
from pathlib import Path
from blemish.station.storage.files import Files, digest_of
files = Files(Path(sys.argv[1]))
for number in count(int(sys.argv[2])):
    contents = [b"%d %d " % (number, part) * 20_000 for part in range(4)]
    named = {digest_of(content): content for content in contents}
    files.add(named)
    print(*named, sep=chr(10), flush=True)
"""
    acknowledged: set[str] = set()
    for turn in range(4):
        command = [sys.executable, "-c", code, str(tmp_path), str(1000 * turn)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        acknowledged.add(process.stdout.readline().strip())
        time.sleep(0.03 * (turn + 1))
        process.send_signal(signal.SIGKILL)
        acknowledged |= {line.strip() for line in process.stdout if line.endswith("\n")}
        process.stdout.close()
        process.wait()
    files = Files(tmp_path)
    assert acknowledged
    assert all(digest_of(files.read(name)) == name for name in acknowledged)
    found = kept(tmp_path)
    assert all(digest_of(content) == Path(path).name for path, content in found.items())
    assert list((tmp_path / "unfinished").iterdir()) == []
    files.close()


def test_a_write_that_fails_leaves_nothing(files: Files) -> None:
    (old,) = add_files(files, b"old")
    with limited_file_size(1000), pytest.raises(Unavailable, match="cannot be written"):
        add_files(files, b"old", b"small", b"x" * 5000)
    assert kept(files.folder) == {f"{old[:2]}/{old}": b"old"}
    add_files(files, b"small", b"x" * 5000)


def test_another_folder_in_its_place_is_not_taken(files: Files, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    files.folder.rename(elsewhere)
    shutil.copytree(elsewhere, files.folder)
    with pytest.raises(Unavailable, match="is not the one that was opened"):
        files.check(0)
    shutil.rmtree(files.folder)
    elsewhere.rename(files.folder)
    files.check(0)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BlemishError, match=r"file/station cannot be used \(Not a directory\)"):
        Files(tmp_path / "file" / "station")


def test_a_disk_with_little_room_is_told(files: Files) -> None:
    files.check(0)
    with pytest.raises(Unavailable, match=r"Only .* GB are free .*; make room, or lower --min-free-gb"):
        files.check(10**18)
