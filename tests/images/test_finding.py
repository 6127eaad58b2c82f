"""Image files in folders."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from blemish.errors import DatasetError
from blemish.images.finding import find_files, find_images, name_on_disk, passed_over
from blemish.images.formats import EXTENSIONS, FORMATS, UNREAD_EXTENSIONS


def test_pictures_that_are_not_read_are_known_by_their_endings() -> None:
    assert {".gif", ".jp2", ".dng"} <= UNREAD_EXTENSIONS
    for ending, name in ((".avif", "AVIF"), (".heic", "HEIF"), (".jfif", "JPEG")):
        assert (ending in EXTENSIONS) == (ending not in UNREAD_EXTENSIONS) == (name in FORMATS)


def test_images_are_found_by_extension_in_all_subfolders_but_hidden_ones(tmp_path: Path) -> None:
    names = ["b.PNG", "a.jpeg", "c.txt", ".hidden.png", "sub/d.webp", ".cache/e.png", "folder.png/f.bmp"]
    names += [f"sub/{folder}/g.png" for folder in ("@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX")]
    names += ["b.PNG.heat.png", "sub/d.webp.explain.png"]  # drawn by an earlier prediction
    for name in [*names, "c.JFIF", "x.gif", "sub/y.JP2", "sub/@eaDir/z.gif"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    others: list[str] = []
    found = [str(path.relative_to(tmp_path)) for path in find_images(tmp_path, others)]
    assert found == ["a.jpeg", "b.PNG", "c.JFIF", "folder.png/f.bmp", "sub/d.webp"]
    assert sorted(others) == [str(tmp_path / "sub/y.JP2"), str(tmp_path / "x.gif")]
    assert passed_over(others).startswith("2 files are passed over")
    assert f"convert {tmp_path}/sub/y.JP2" in passed_over(others)
    with pytest.raises(DatasetError, match="gone is not a folder"):
        find_images(tmp_path / "gone")


def test_linked_folders_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    for folder in ("a", "b", "elsewhere/deep"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "0.png").touch()
    for link, target in (
        ("a/up", "."),
        ("a/b", "b"),
        ("b/a", "a"),
        ("a/far", "elsewhere"),
        ("a/gone", "gone"),
    ):
        (tmp_path / link).symlink_to(tmp_path / target)
    found = {str(path.relative_to(tmp_path / "a")) for path in find_images(tmp_path / "a")}
    assert found == {"0.png", "b/0.png", "far/deep/0.png", "up/b/0.png", "up/elsewhere/deep/0.png"}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_found_however_its_accents_are_composed(tmp_path: Path, form: Any) -> None:
    path = tmp_path / unicodedata.normalize(form, "Gehäuse/schräg.png")
    path.parent.mkdir()
    path.touch()
    for other in ("NFC", "NFD"):
        assert name_on_disk(tmp_path, unicodedata.normalize(other, "Gehäuse/schräg.png")) == path
    assert name_on_disk(tmp_path, "gerade.png") == tmp_path / "gerade.png"


@pytest.mark.parametrize("method", ["is_dir", "iterdir", "is_file"])
def test_a_forbidden_folder_is_told(tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").touch()
    monkeypatch.setattr(Path, method, forbidden)
    with pytest.raises(DatasetError, match=r"cannot be opened \(Permission denied\); check the path"):
        find_images(tmp_path)


def test_pictures_that_are_not_read_are_named(tmp_path: Path) -> None:
    for name in (
        "a.png",
        "b.GIF",
        "deep/c.jp2",
        "@eaDir/d.gif",
        "notes.txt",
        ".e.gif",
        ".e.png",
        "done/f.gif",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    others: list[str] = []
    found = [name for name, _ in find_files(tmp_path, tmp_path / "done", [], others)]
    assert found == ["a.png"]
    assert sorted(others) == [str(tmp_path / "b.GIF"), str(tmp_path / "deep/c.jp2")]
