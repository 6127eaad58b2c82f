"""Inputs as a user names them."""

import io
from pathlib import Path

import pytest
from PIL import Image

from blemish.errors import DatasetError
from blemish.inference.inputs import expand_inputs


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder with images in it and in a subfolder, and what an earlier prediction left."""
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "a.jpg", "sub/x.png"):
        Image.new("RGB", (40, 40)).save(name)
    for name in ("a.png.heat.png", "sub/x.png.explain.png", "sub/note.txt"):
        Path(name).touch()
    return tmp_path


def test_files_folders_patterns_and_a_list_on_standard_input(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(expand_inputs(["a.png", "sub"])) == ["a.png", "sub/x.png"]
    assert list(expand_inputs(["."])) == ["a.jpg", "a.png", "sub/x.png"], "overlays are no inputs"
    assert list(expand_inputs(["*.jpg", str(here / "**" / "x.png")])) == ["a.jpg", str(here / "sub/x.png")]
    monkeypatch.setattr("sys.stdin", io.StringIO("\ufeffa.png\n\n  sub/x.png \n"))
    assert list(expand_inputs(["-"])) == ["a.png", "sub/x.png"]
    assert list(expand_inputs(["-"])) == [], "nothing more on standard input is no fault"


def test_what_is_passed_over_is_told_once(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("empty", "none/deeper", "sub/@eaDir", "more"):
        (here / name).mkdir(parents=True)
    for name in ("sub/@eaDir/thumb.png", "sub/1.GIF", "more/2.jp2", "more/3.png"):
        (here / name).touch()
    (here / "sub/link").symlink_to(here / "more")
    assert list(expand_inputs(["*", "none", "more"])) == [
        *("a.jpg", "a.png", "a.png.heat.png", "more/3.png", "sub/link/3.png", "sub/x.png", "more/3.png")
    ]
    read, empty = caplog.messages
    assert read.startswith("4 files are passed over") and "convert more/2.jp2 and" in read
    assert empty == "3 folders hold no images; the first is empty."
    assert list(expand_inputs(["**/[0-9t]*.png"])) == ["more/3.png", "sub/link/3.png"]
    assert list(expand_inputs(["sub/@eaDir/*.png"])) == ["sub/@eaDir/thumb.png"]


def test_masks_of_a_data_set_are_left_out_with_a_remark_unless_their_folder_is_given(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    first = "set/ground_truth/dent/0_mask.png"
    (here / first).parent.mkdir(parents=True)
    for name in (first, "set/0.png"):
        (here / name).touch()
    told = f"1 file is left out, for folders ground_truth hold masks; the first is {first}."
    assert list(expand_inputs(["set"])) == ["set/0.png"]
    assert caplog.messages == [told]
    assert list(expand_inputs(["./set/ground_truth"])) == [first]
    assert caplog.messages == [told]


def test_urls(here: Path) -> None:
    pytest.importorskip("fsspec", reason="the extra blemish[ray] is not installed")
    urls = [f"file://{here}/{name}" for name in ("a.jpg", "a.png", "sub/x.png", "a.png")]
    assert list(expand_inputs([here.as_uri(), f"{here.as_uri()}/a.png"])) == urls
    (here / "bare").mkdir()
    with pytest.raises(DatasetError, match="holds no images"):
        list(expand_inputs([(here / "bare").as_uri()]))


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("gone.png", "gone.png does not exist; give image files"),
        ("*.tiff", "No file matches"),
        ("", "An input is empty"),
        ("empty", "The folder empty holds no images"),
    ],
)
def test_inputs_that_are_not_there_are_refused(here: Path, item: str, words: str) -> None:
    (here / "empty").mkdir()
    with pytest.raises(DatasetError, match=words):
        list(expand_inputs([item]))
