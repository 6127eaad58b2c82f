"""Files are whole or not there, stay once they are acknowledged, and belong to one station at a time."""

import os
import shutil
from pathlib import Path

import pytest

from blemish.errors import BlemishError
from blemish.station.errors import NotFound, Unavailable
from blemish.station.storage.files import Files, digest_of
from tests.station.storage.support import add_files, limited_file_size


def kept(folder: Path) -> dict[str, bytes]:
    """Every file in the folder but the lock, by its path."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_what_goes_in_comes_out_under_its_digest_until_it_is_removed(files: Files) -> None:
    contents = [b"one", b"two" * 100_000, b"", b"one"]
    digests = add_files(files, *contents)
    assert [files.read(name) for name in digests] == contents
    assert kept(files.folder) == {f"{name[:2]}/{name}": files.read(name) for name in digests}
    assert add_files(files) == []
    one, two, *_ = digests
    (files.folder / two[:2] / two).write_bytes(b"damaged")
    add_files(files, contents[1])
    assert files.read(two) == contents[1]
    (files.folder / two[:2] / "Thumbs.db").touch()
    files.remove([one, digest_of(b"never there")])
    assert files.stored(one[:2]) == set() and files.stored(two[:2]) == {two}
    with pytest.raises(NotFound, match="gone"):
        files.read(one)


def test_all_is_synced_before_it_is_acknowledged(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_folder_that_cannot_be_used_and_a_full_disk_are_told(files: Files, tmp_path: Path) -> None:
    with pytest.raises(BlemishError, match=f"Another station uses the folder {files.folder}; stop it"):
        Files(files.folder)
    add_files(files, b"goes on")
    (tmp_path / "file").touch()
    with pytest.raises(BlemishError, match=r"file/station cannot be used \(Not a directory\)"):
        Files(tmp_path / "file" / "station")
    with pytest.raises(Unavailable, match=r"Only .* GB are free .*; make room, or lower --min-free-gb"):
        files.check(10**18)
