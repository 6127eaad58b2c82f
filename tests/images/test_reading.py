"""Decoding: every format and pixel type, and every way a file can be wrong."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from blemish.errors import ImageError
from blemish.images.reading import image_size, read_image, read_mask
from tests.images.support import HEIGHT, WIDTH, picture, png, saved


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.bmp", {}),
        ("a.tif", {}),
        ("a.tiff", {"compression": "tiff_lzw"}),
        ("a.webp", {"lossless": True}),
    ],
)
def test_lossless_formats_give_the_same_pixels(tmp_path: Path, name: str, options: dict) -> None:
    image = read_image(saved(tmp_path / name, Image.fromarray(picture()), **options))
    assert image.dtype == np.uint8
    assert image.flags.writeable
    np.testing.assert_array_equal(image, picture())


def test_jpeg_is_close(tmp_path: Path) -> None:
    smooth = np.full((HEIGHT, WIDTH, 3), (200, 120, 40), np.uint8)
    image = read_image(saved(tmp_path / "a.jpg", Image.fromarray(smooth), quality=95))
    np.testing.assert_allclose(image.astype(int), smooth, atol=3)


def test_the_content_decides_the_format_not_the_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.fromarray(picture()), format="PNG")
    np.testing.assert_array_equal(read_image(path), picture())


def test_grey_is_repeated_in_three_channels_and_one_bit_is_black_and_white(tmp_path: Path) -> None:
    grey = picture()[..., 0]
    for values, expected in ((grey, grey), (grey > 127, (grey > 127) * 255)):
        image = read_image(saved(tmp_path / "a.png", Image.fromarray(values)))
        np.testing.assert_array_equal(image, np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_is_divided_by_256_and_never_stretched(tmp_path: Path, name: str) -> None:
    dark = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 2
    image = read_image(saved(tmp_path / name, Image.fromarray(dark)))
    np.testing.assert_array_equal(image[..., 0], dark // 256)
    assert image.max() == 18


def test_16_bit_big_endian(tmp_path: Path) -> None:
    values = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 27
    image = Image.frombytes("I;16B", (WIDTH, HEIGHT), values.astype(">u2").tobytes())
    np.testing.assert_array_equal(read_image(saved(tmp_path / "a.tif", image))[..., 2], values // 256)


def test_16_bit_colour_keeps_the_high_bytes(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    path = tmp_path / "a.png"
    path.write_bytes(png(WIDTH, HEIGHT, depth=16, colour=2, data=zlib.compress(rows)))
    np.testing.assert_array_equal(read_image(path), values // 256)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_is_refused(tmp_path: Path, dtype: type) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(np.zeros((HEIGHT, WIDTH), dtype)))
    with pytest.raises(ImageError, match=r"a\.tif has 32-bit pixels.*save it with 8 or 16 bits"):
        read_image(path)


def test_palette(tmp_path: Path) -> None:
    image = Image.fromarray(picture()).quantize(16)
    expected = np.array(image.convert("RGB"))
    np.testing.assert_array_equal(read_image(saved(tmp_path / "a.png", image)), expected)


def test_a_transparent_palette_entry_is_black(tmp_path: Path) -> None:
    indices = (picture()[..., 0] > 127).astype(np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putpalette([250, 10, 20, 30, 40, 250])
    read = read_image(saved(tmp_path / "a.png", image, transparency=0))
    np.testing.assert_array_equal(read[indices == 0], 0)
    np.testing.assert_array_equal(read[indices == 1], np.broadcast_to((30, 40, 250), (indices.sum(), 3)))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_alpha_is_shown_over_black(tmp_path: Path, name: str) -> None:
    alpha = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    alpha[:, WIDTH // 2 :] = 255
    image = Image.fromarray(np.concatenate([picture(), alpha], axis=2))
    options = {"lossless": True} if name.endswith("webp") else {}
    read = read_image(saved(tmp_path / name, image, **options))
    np.testing.assert_array_equal(read, np.where(alpha == 255, picture(), 0))


def test_half_transparent_is_half_as_bright(tmp_path: Path) -> None:
    image = Image.new("LA", (WIDTH, HEIGHT), (200, 128))
    np.testing.assert_allclose(read_image(saved(tmp_path / "a.png", image)), 100, atol=1)


def test_a_transparent_colour_key_is_black(tmp_path: Path) -> None:
    image = Image.new("RGB", (WIDTH, HEIGHT), (9, 8, 7))
    image.paste((90, 80, 70), (0, 0, 10, 10))
    read = read_image(saved(tmp_path / "a.png", image, transparency=(9, 8, 7)))
    assert read[0, 0].tolist() == [90, 80, 70]
    assert not read[10:, 10:].any()


def test_cmyk(tmp_path: Path) -> None:
    image = Image.new("CMYK", (WIDTH, HEIGHT), (0, 255, 255, 0))
    read = read_image(saved(tmp_path / "a.tif", image))
    np.testing.assert_array_equal(read, np.broadcast_to((255, 0, 0), (HEIGHT, WIDTH, 3)))
    jpeg = read_image(saved(tmp_path / "a.jpg", image))
    np.testing.assert_allclose(jpeg.astype(int), read, atol=4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_exif_orientation_is_applied(tmp_path: Path, name: str, orientation: int) -> None:
    upright = picture()
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if name.endswith("webp") else {}
    image = Image.fromarray(np.ascontiguousarray(stored))
    path = saved(tmp_path / name, image, exif=exif, **options)
    np.testing.assert_array_equal(read_image(path), upright)
    assert image_size(path) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("key", ["Raw profile type exif", "XML:com.adobe.xmp"])
def test_the_size_of_a_png_turned_by_its_text(tmp_path: Path, key: str) -> None:
    exif, notes = Image.Exif(), PngInfo()
    exif[0x0112] = 6
    if key == "Raw profile type exif":
        notes.add_text(key, "\nexif\n 34\n" + exif.tobytes().hex())
    else:
        notes.add_itxt(key, '<rdf:Description tiff:Orientation="6"/>')
    Image.fromarray(picture()).save(tmp_path / "a.png", pnginfo=notes)
    height, width, _ = read_image(tmp_path / "a.png").shape
    assert (height, width) == (WIDTH, HEIGHT)
    assert image_size(tmp_path / "a.png") == (width, height)


def test_jpeg_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((WIDTH, HEIGHT, 3), np.uint8)
    stored[: WIDTH // 2] = 255
    path = saved(tmp_path / "a.jpg", Image.fromarray(stored), exif=exif)
    read = read_image(path)
    assert read.shape == (HEIGHT, WIDTH, 3)
    assert read[:, -8:].min() > 250
    assert read[:, :8].max() < 5
    assert image_size(path) == (WIDTH, HEIGHT)


def test_damaged_exif_does_not_matter(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(picture()), exif=b"Exif\0\0not a TIFF header")
    np.testing.assert_array_equal(read_image(path), picture())


def test_the_first_page_is_read(tmp_path: Path) -> None:
    first, second = Image.fromarray(picture(0)), Image.fromarray(picture(1))
    path = saved(tmp_path / "a.tif", first, save_all=True, append_images=[second])
    np.testing.assert_array_equal(read_image(path), picture(0))


PATTERN = picture()[..., 0] > 200


@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_mask_pixels_that_are_not_zero_are_defective(tmp_path: Path, value: int, dtype: type) -> None:
    mask = read_mask(saved(tmp_path / "a.png", Image.fromarray(PATTERN.astype(dtype) * dtype(value))))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, PATTERN)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA"])
def test_masks_of_other_modes_and_small_ones(tmp_path: Path, mode: str) -> None:
    for pattern in (PATTERN, PATTERN[:5, :3]):
        path = saved(tmp_path / "a.png", Image.fromarray(pattern).convert(mode))
        np.testing.assert_array_equal(read_mask(path), pattern)


def test_a_jpeg_mask_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.new("L", (60, 40)))
    with pytest.raises(ImageError, match=r"a\.jpg is a JPEG.*save the mask as PNG"):
        read_mask(path)
