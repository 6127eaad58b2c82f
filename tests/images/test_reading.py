"""Decoding: every format and pixel type becomes upright RGB, and every mask what is not zero."""

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from blemish.errors import ImageError
from blemish.extras import install_command
from blemish.images import decoding
from blemish.images.frame import Frame
from blemish.images.reading import (
    frame_upload,
    image_size,
    load_frame,
    read_image,
    read_mask,
    to_frame,
    used_bits,
)
from tests.images.support import HEIC, HEIGHT, WIDTH, bmp, picture, png, saved

PICTURE = picture()
COLOUR, GREY = Image.fromarray(PICTURE), PICTURE[..., :1]
DARK = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 2
BIG_ENDIAN = Image.frombytes("I;16B", (WIDTH, HEIGHT), (DARK * 13).astype(">u2").tobytes())
FEW_COLOURS = COLOUR.quantize(16)
TWO_COLOURS = Image.fromarray((GREY[..., 0] > 127).astype(np.uint8)).convert("P")
TWO_COLOURS.putpalette([250, 10, 20, 30, 40, 250])
OPAQUE = np.broadcast_to(np.arange(WIDTH)[:, None] >= WIDTH // 2, (HEIGHT, WIDTH, 1))
HALF_CLEAR = Image.fromarray(np.concatenate([PICTURE, OPAQUE.astype(np.uint8) * 255], axis=2))
CLEAR = COLOUR.copy()
CLEAR.putalpha(0)
KEYED = Image.new("RGB", (WIDTH, HEIGHT), (9, 8, 7))
KEYED.paste((90, 80, 70), (0, 0, 10, 10))
KEPT = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
KEPT[:10, :10] = 1
CMYK = Image.new("CMYK", (WIDTH, HEIGHT), (0, 255, 255, 0))
SMOOTH = Image.new("RGB", (WIDTH, HEIGHT), (200, 120, 40))
PAGES = {"save_all": True, "append_images": [Image.fromarray(picture(1))]}


@pytest.mark.parametrize(
    ("name", "image", "options", "expected", "within"),
    [
        ("a.png", COLOUR, {}, PICTURE, 0),
        ("a.bmp", COLOUR, {}, PICTURE, 0),
        ("a.tif", COLOUR, {}, PICTURE, 0),
        ("a.tiff", COLOUR, {"compression": "tiff_lzw"}, PICTURE, 0),
        ("a.webp", COLOUR, {"lossless": True}, PICTURE, 0),
        ("the_content_decides.jpg", COLOUR, {"format": "PNG"}, PICTURE, 0),
        ("the_first_page.tif", COLOUR, PAGES, PICTURE, 0),
        ("damaged_exif.png", COLOUR, {"exif": b"Exif\0\0not a TIFF header"}, PICTURE, 0),
        ("smooth.jpg", SMOOTH, {"quality": 95}, (200, 120, 40), 3),
        ("smooth.jfif", SMOOTH, {"quality": 95}, (200, 120, 40), 3),
        ("smooth.avif", SMOOTH, {}, (200, 120, 40), 3),
        ("grey.png", Image.fromarray(GREY[..., 0]), {}, GREY, 0),
        ("one_bit.png", Image.fromarray(GREY[..., 0] > 127), {}, (GREY > 127) * 255, 0),
        ("16_bit_never_stretched.png", Image.fromarray(DARK), {}, DARK[..., None] // 256, 0),
        ("16_bit.tif", Image.fromarray(DARK), {}, DARK[..., None] // 256, 0),
        ("16_bit_big_endian.tif", BIG_ENDIAN, {}, DARK[..., None] * 13 // 256, 0),
        ("palette.png", FEW_COLOURS, {}, np.array(FEW_COLOURS.convert("RGB")), 0),
        ("a_clear_entry.png", TWO_COLOURS, {"transparency": 0}, (GREY > 127) * np.array([30, 40, 250]), 0),
        ("alpha_over_black.png", HALF_CLEAR, {}, PICTURE * OPAQUE, 0),
        ("alpha_over_black.tif", HALF_CLEAR, {}, PICTURE * OPAQUE, 0),
        ("alpha_over_black.webp", HALF_CLEAR, {"lossless": True}, PICTURE * OPAQUE, 0),
        ("alpha_0_everywhere.png", CLEAR, {}, PICTURE, 0),
        ("alpha_0_everywhere.tif", CLEAR, {}, PICTURE, 0),
        ("one_clear_colour.png", SMOOTH, {"transparency": (200, 120, 40)}, (200, 120, 40), 0),
        ("half_as_bright.png", Image.new("LA", (WIDTH, HEIGHT), (200, 128)), {}, 100, 1),
        ("a_clear_colour.png", KEYED, {"transparency": (9, 8, 7)}, KEPT * np.array([90, 80, 70]), 0),
        ("cmyk.tif", CMYK, {}, (255, 0, 0), 0),
        ("cmyk.jpg", CMYK, {}, (255, 0, 0), 4),
    ],
)
def test_whatever_is_stored_becomes_rgb(
    tmp_path: Path, name: str, image: Image.Image, options: dict[str, Any], expected: Any, within: int
) -> None:
    read = read_image(saved(tmp_path / name, image, **options))
    assert read.dtype == np.uint8 and read.flags.writeable
    expected = np.broadcast_to(expected, (HEIGHT, WIDTH, 3)).astype(int)
    np.testing.assert_allclose(read.astype(int), expected, rtol=0, atol=within)


def test_16_bit_colour_keeps_the_high_bytes(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    path = tmp_path / "a.png"
    path.write_bytes(png(WIDTH, HEIGHT, depth=16, colour=2, data=zlib.compress(rows)))
    np.testing.assert_array_equal(read_image(path), values // 256)
    with pytest.raises(ImageError, match=r"16-bit colours, and frame\.bit_depth=12 is for grey images; save"):
        read_image(path, bit_depth=12)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_bit_depth_divides_by_less_and_refuses_what_it_does_not_hold(tmp_path: Path, name: str) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (HEIGHT, WIDTH), np.uint16)
    values[0, 0] = 4095
    path = saved(tmp_path / name, Image.fromarray(values))
    assert used_bits(path) == 12
    np.testing.assert_array_equal(read_image(path, bit_depth=12)[..., 0], values // 16)
    frame = Frame(resize=32, crop=32, bit_depth=12)
    framed = to_frame(read_image(path, 12), frame).pixels
    np.testing.assert_array_equal(load_frame(path, frame), framed)
    np.testing.assert_array_equal(frame_upload(path.read_bytes(), name, frame).framed.pixels, framed)
    with pytest.raises(ImageError, match=rf"{name} has values up to 4095, more than frame\.bit_depth=11 "):
        read_image(path, bit_depth=11)
    saved(path, COLOUR)
    assert used_bits(path) is None
    np.testing.assert_array_equal(read_image(path, bit_depth=12), PICTURE)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_is_refused(tmp_path: Path, dtype: type) -> None:
    path = saved(tmp_path / "a.tif", Image.fromarray(np.zeros((HEIGHT, WIDTH), dtype)))
    with pytest.raises(ImageError, match=r"a\.tif has signed or 32-bit pixels.*8 or 16 unsigned bits"):
        read_image(path)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_exif_orientation_is_applied(tmp_path: Path, name: str, orientation: int) -> None:
    stored = {
        1: PICTURE,
        2: PICTURE[:, ::-1],
        3: PICTURE[::-1, ::-1],
        4: PICTURE[::-1],
        5: PICTURE.transpose(1, 0, 2),
        6: np.rot90(PICTURE),
        7: PICTURE[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(PICTURE, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if name.endswith("webp") else {}
    path = saved(tmp_path / name, Image.fromarray(np.ascontiguousarray(stored)), exif=exif, **options)
    np.testing.assert_array_equal(read_image(path), PICTURE)
    assert image_size(path) == (WIDTH, HEIGHT)


def test_heic_is_read_where_its_decoder_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(HEIC)
    monkeypatch.setattr(decoding, "FORMATS", ("PNG", "JPEG"))
    with pytest.raises(ImageError, match=re.escape(f"a.heic needs pi-heif: {install_command('heic')}")):
        read_image(path)
    monkeypatch.undo()
    pytest.importorskip("pi_heif", reason="the extra blemish[heic] is not installed")
    read = read_image(path)
    assert read.shape == (36, 48, 3) and image_size(path) == (48, 36)
    assert read[18, [8, 40]].argmax(axis=1).tolist() == [2, 0]


@pytest.mark.parametrize("kind", ["jpeg", "avif", "raw profile", "xmp"])
def test_whoever_tells_the_orientation_the_size_is_the_upright_images(tmp_path: Path, kind: str) -> None:
    exif, notes = Image.Exif(), PngInfo()
    exif[0x0112] = 6
    notes.add_text("Raw profile type exif", "\nexif\n 34\n" + exif.tobytes().hex())
    if kind == "xmp":
        notes = PngInfo()
        notes.add_itxt("XML:com.adobe.xmp", '<rdf:Description tiff:Orientation="6"/>')
    stored = np.zeros((WIDTH, HEIGHT, 3), np.uint8)
    stored[: WIDTH // 2] = 255
    options = {"format": "PNG", "pnginfo": notes}
    if kind in ("jpeg", "avif"):
        options = {"format": kind, "exif": exif}
    path = saved(tmp_path / "a.jpg", Image.fromarray(stored), **options)
    read = read_image(path)
    assert read.shape == (HEIGHT, WIDTH, 3) and image_size(path) == (WIDTH, HEIGHT)
    assert read[:, -8:].min() > 250 and read[:, :8].max() < 5


PATTERN = GREY[..., 0] > 200


def test_mask_pixels_that_are_not_zero_are_defective(tmp_path: Path) -> None:
    values = [dtype(value) for dtype in (np.uint8, np.uint16) for value in (1, 255)]
    masks = [Image.fromarray(PATTERN * value) for value in values]
    for mask in masks + [Image.fromarray(PATTERN).convert(mode) for mode in ("1", "P", "RGB", "RGBA")]:
        read = read_mask(saved(tmp_path / "a.png", mask))
        assert read.dtype == bool
        np.testing.assert_array_equal(read, PATTERN)
    assert read_mask(saved(tmp_path / "small.png", masks[0].crop((0, 0, 5, 3)))).shape == (3, 5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {}),
        ("a.avif", {"quality": 100}),
        ("a.webp", {}),
        ("a.webp", {"lossless": True}),
        ("a.webp", {"lossless": True, "exif": b"Exif"}),
        ("a.webp", {"exif": b"Exif"}),
        ("a.webp", {"save_all": True, "append_images": [COLOUR]}),
        ("a.webp", {"save_all": True, "append_images": [COLOUR], "lossless": True}),
        ("a.tif", {"compression": "jpeg"}),
        ("a.tif", {"compression": "tiff_lzw"}),
        ("a.bmp", {}),
    ],
)
def test_a_mask_is_refused_just_where_compression_may_have_changed_it(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    mask = Image.new("L", (WIDTH, HEIGHT))
    mask.paste(255, (10, 10, 21, 23))
    path = saved(tmp_path / name, mask.convert("RGB" if name == "a.webp" else "L"), **options)
    if options.get("lossless") or name == "a.bmp" or options.get("compression") == "tiff_lzw":
        np.testing.assert_array_equal(read_mask(path), np.asarray(mask) > 0)
    else:
        with pytest.raises(ImageError, match=rf"{name} is compressed with loss .*; save the mask as PNG"):
            read_mask(path)


def test_alpha_that_is_ignored_is_told_once_and_says_nothing_of_masks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pixels = np.dstack([PATTERN * np.uint8(255)] * 3 + [np.zeros_like(PATTERN, np.uint8)])
    saved(tmp_path / "a.png", Image.fromarray(pixels))
    (tmp_path / "b.bmp").write_bytes(bmp(pixels))
    for path in (tmp_path / "a.png", tmp_path / "b.bmp"):
        np.testing.assert_array_equal(read_image(path), pixels[..., :3])
        np.testing.assert_array_equal(read_mask(path), PATTERN)
    assert [record.message for record in caplog.records] == [
        "An image's alpha is 0 everywhere and is ignored, there and in all others like it."
    ]


def test_a_png_may_hold_megabytes_of_text_and_profile(tmp_path: Path) -> None:
    notes = PngInfo()
    notes.add_text("notes", "x" * (3 << 20), zip=True)
    path = saved(tmp_path / "a.png", COLOUR, pnginfo=notes, icc_profile=b"x" * (3 << 20))
    np.testing.assert_array_equal(read_image(path), PICTURE)
    notes.add_text("more", "x" * (70 << 20), zip=True)
    with pytest.raises(ImageError, match=r"a\.png holds more text than pictures do; save it without"):
        read_image(saved(path, COLOUR, pnginfo=notes))
