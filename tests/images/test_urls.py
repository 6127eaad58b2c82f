"""URLs: what they list and hold."""

import os
import re
import sys
from pathlib import Path

import pytest

from blemish.errors import DatasetError, ImageError
from blemish.extras import install_command
from blemish.images.reading import read_image
from blemish.images.urls import find_urls, read_url
from tests.support import texture_files

pytest.importorskip("fsspec", reason="the extra blemish[ray] is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images in two folders, one of them with a name that is no text; one more is hidden."""
    first, _ = texture_files(tmp_path / "a", 2)
    (tmp_path / "b" / "c").mkdir(parents=True)
    Path(os.fsdecode(bytes(tmp_path) + b"/b/c/\xff.png")).write_bytes(first.read_bytes())
    (tmp_path / "b" / "note.txt").touch()
    (tmp_path / "b" / "other.gif").touch()
    (tmp_path / "@eaDir").mkdir()
    for hidden in (".hidden.png", "@eaDir/thumb.png"):
        (tmp_path / hidden).touch()
    return tmp_path


def test_they_are_listed_like_folders(folder: Path) -> None:
    others: list[str] = []
    urls = list(find_urls(folder.as_uri(), others))
    assert others == [f"{folder.as_uri()}/b/other.gif"]
    names = [os.fsencode(url.removeprefix(folder.as_uri())) for url in urls]
    assert names == [b"/a/000.png", b"/a/001.png", b"/b/c/\xff.png"]
    assert list(find_urls(urls[0])) == urls[:1]
    assert read_image(urls[0]).shape == read_image(urls[2]).shape == (64, 64, 3)


def test_links_to_files_are_listed_and_those_to_folders_named(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for name, target in (("link.png", folder / "a" / "000.png"), ("broken.png", folder / "gone")):
        (links / name).symlink_to(target)
    (links / "folder.png").symlink_to(folder / "a")
    assert list(find_urls(links.as_uri())) == [f"file://{links}/link.png"]
    assert f"{links}/folder.png is a link to a folder and is passed over" in caplog.messages[0]


def test_what_cannot_be_read_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, empty = f"{folder.as_uri()}/gone", folder / "empty.png"
    empty.touch()
    for url, reason in (
        (gone, "gone does not exist; check the address"),
        ("nobody://knows", r"nobody://knows cannot be read \(Protocol not known"),
        ("file://", r"file:// cannot be read \(it names nothing\)"),
    ):
        with pytest.raises(DatasetError, match=reason):
            list(find_urls(url))
    with pytest.raises(ImageError, match="gone does not exist; check the address"):
        read_image(gone)
    with pytest.raises(ImageError, match=r"empty\.png is empty"):
        read_url(empty.as_uri())
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ImageError, match=re.escape(f"needs fsspec: {install_command('ray')}")):
        read_url(gone)
