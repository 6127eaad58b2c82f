"""Image files in folders."""

from pathlib import Path

import pytest

from blemish.errors import DatasetError
from blemish.images.finding import find_images
from blemish.images.formats import EXTENSIONS, FORMATS, UNREAD_EXTENSIONS


def test_pictures_that_are_not_read_are_known_by_their_endings() -> None:
    assert {".gif", ".jp2", ".dng"} <= UNREAD_EXTENSIONS
    for ending, name in ((".avif", "AVIF"), (".heic", "HEIF"), (".jfif", "JPEG")):
        assert (ending in EXTENSIONS) == (ending not in UNREAD_EXTENSIONS) == (name in FORMATS)


def test_images_are_found_by_extension_and_hidden_ones_passed_over(tmp_path: Path) -> None:
    names = ("b.PNG", "a.jpeg", "c.JFIF", "c.gif", "c.txt", ".hidden.png")
    for name in (*names, "sub/d.webp", ".cache/e.png", "folder.png/f.bmp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert find_images(tmp_path) == [tmp_path / "a.jpeg", tmp_path / "b.PNG", tmp_path / "c.JFIF"]
    found = find_images(tmp_path, recursive=True)
    assert [path.name for path in found] == ["a.jpeg", "b.PNG", "c.JFIF", "f.bmp", "d.webp"]
    with pytest.raises(DatasetError, match="gone is not a folder"):
        find_images(tmp_path / "gone")


@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("method", ["is_dir", "iterdir", "is_file"])
def test_a_forbidden_folder_is_told(
    tmp_path: Path, method: str, recursive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.png").touch()
    monkeypatch.setattr(Path, method, forbidden)
    with pytest.raises(DatasetError, match=r"cannot be opened \(Permission denied\); check the path"):
        find_images(tmp_path, recursive=recursive)
