"""Files that are no image, damaged, too large or forbidden are refused in a sentence."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.errors import ImageError
from blemish.images.reading import MAX_PIXELS, image_size, read_image, read_mask
from tests.images.support import picture, png, saved

DENIED = PermissionError(13, "Permission denied")
FORMATS = ["a.png", "a.jpg", "a.bmp", "a.tif", "a.webp", "a.avif"]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [int(MAX_PIXELS**0.5) + 1, 60_000])
@pytest.mark.parametrize("read", [read_image, read_mask, image_size])
def test_a_decompression_bomb_is_refused_before_decoding(tmp_path: Path, read, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, data=zlib.compress(b"\0" * 1000)))
    with pytest.raises(ImageError, match=r"bomb\.png has more than 178 million pixels"):
        read(path)
    assert 2 * (Image.MAX_IMAGE_PIXELS or 0) >= MAX_PIXELS, "our limit is not above Pillow's own"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_files_are_refused(tmp_path: Path, name: str, share: float) -> None:
    path = saved(tmp_path / name, Image.fromarray(picture(height=200, width=200)))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageError, match=rf"a\.{name[2:]} is (truncated or damaged|not a PNG)"):
        read_image(path)


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("name", FORMATS)
def test_random_damage_raises_nothing_but_our_error(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / name, Image.fromarray(picture()))
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = whole.copy()
        places = rng.integers(0, min(len(whole), 200), 6)
        damaged[places] = rng.integers(0, 256, 6)
        path.write_bytes(damaged.tobytes())
        try:
            image = read_image(path)
        except ImageError as error:
            assert str(error).startswith(str(path))
        else:
            assert image.dtype == np.uint8


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("gone.png", "gone.png does not exist; check the path."),
        ("", "is a folder; give an image file."),
        ("empty.png", "empty.png is empty; copy or export it again."),
        ("text.png", "text.png is not a PNG, JPEG, BMP, TIFF or WebP image; convert it to one."),
        ("gif.png", "gif.png is not a PNG, JPEG, BMP, TIFF or WebP image; convert it to one."),
        ("text.png/below.png", "below.png does not exist; check the path."),
        ("x" * 300, "cannot be opened (File name too long); check the path and its permissions."),
        ("a\0.png", "does not exist; check the path."),
    ],
)
def test_wrong_paths_are_told_apart(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("This is no image.")
    saved(tmp_path / "gif.png", Image.fromarray(picture()), format="GIF")
    for read in (read_image, read_mask, image_size):
        with pytest.raises(ImageError) as caught:
            read(tmp_path / name)
        assert str(caught.value).endswith(sentence)


def test_small_images_are_refused_and_their_size_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", (31, 400)))
    with pytest.raises(ImageError, match="is 31 x 400 pixels, smaller than what the network needs"):
        read_image(path)
    assert image_size(path) == (31, 400)
    assert read_image(saved(tmp_path / "b.png", Image.new("L", (32, 32)))).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("where", "raised", "sentence"),
    [
        ("PIL.PngImagePlugin.PngImageFile.load", MemoryError(), "does not fit into memory; cut it up"),
        (
            "pathlib.Path.is_dir",
            PermissionError(13, "Denied"),
            r"cannot be opened \(Denied\); check the path",
        ),
        ("pathlib.Path.stat", DENIED, r"cannot be opened \(Permission denied\); check the path"),
        ("pathlib.Path.open", DENIED, r"cannot be opened \(Permission denied\); check the path"),
    ],
)
def test_too_little_memory_and_a_forbidden_file_are_not_called_damage(
    tmp_path: Path, where: str, raised: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    path = saved(tmp_path / "a.png", Image.fromarray(picture()))
    monkeypatch.setattr(where, fail)
    for read in (read_image, read_mask):
        with pytest.raises(ImageError, match=rf"a\.png {sentence}"):
            read(path)
