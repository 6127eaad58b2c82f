"""A picture in memory gives the pixels that a file of it gives, whatever holds it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from blemish.errors import ConfigError, ImageError
from blemish.images.in_memory import rgb_pixels
from blemish.images.reading import read_image

RGB = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
GREY = RGB[..., 0]
ALPHA = np.dstack([RGB, GREY])


def read_back(path: Path, picture: Image.Image, **options: Any) -> np.ndarray:
    picture.save(path, **options)
    return read_image(path)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (RGB, RGB),
        (RGB.astype(np.float32) / 255, RGB),
        (RGB / 255 * 1.0000004 - 1e-7, RGB),
        (RGB / 255, RGB),
        (RGB.transpose(2, 0, 1), RGB),
        (RGB[:, ::-1], RGB[:, ::-1]),
        (GREY, np.dstack(3 * [GREY])),
        (GREY[..., None] / 255, np.dstack(3 * [GREY])),
        (GREY[None], np.dstack(3 * [GREY])),
        (torch.from_numpy(RGB), RGB),
        (torch.from_numpy(RGB.transpose(2, 0, 1) / 255).requires_grad_(), RGB),
        (torch.from_numpy(GREY // 255).to(torch.bfloat16), np.dstack(3 * [GREY // 255 * 255])),
    ],
)
def test_arrays_and_tensors_of_every_layout(image: Any, expected: np.ndarray) -> None:
    pixels = rgb_pixels(image)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, expected)


def test_alpha_sixteen_bits_and_orientation_are_those_of_a_file(tmp_path: Path) -> None:
    expected = read_back(tmp_path / "alpha.png", Image.fromarray(ALPHA))
    for image in (ALPHA, ALPHA.transpose(2, 0, 1), Image.fromarray(ALPHA), ALPHA / 255):
        np.testing.assert_array_equal(rgb_pixels(image), expected)
    deep = GREY.astype(np.uint16) * 16
    expected = read_back(tmp_path / "deep.png", Image.fromarray(deep))
    np.testing.assert_array_equal(rgb_pixels(deep), expected)
    np.testing.assert_array_equal(rgb_pixels(deep, 12)[..., 0], GREY)
    with pytest.raises(ImageError, match=r"array has values up to .*, more than frame\.bit_depth=8 holds"):
        rgb_pixels(deep, 8)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = read_back(tmp_path / "turned.png", Image.fromarray(RGB), exif=exif)
    with Image.open(tmp_path / "turned.png") as opened:
        np.testing.assert_array_equal(rgb_pixels(opened), turned)
    assert turned.shape == (50, 40, 3)
    np.testing.assert_array_equal(rgb_pixels((tmp_path / "turned.png").read_bytes()), turned)


def test_the_pixels_are_their_own() -> None:
    camera_buffer = RGB.copy()
    pixels = rgb_pixels(camera_buffer)
    camera_buffer[:] = 0
    np.testing.assert_array_equal(pixels, RGB)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (RGB.astype(np.int16), "is int16; give uint8 from 0 to 255"),
        (RGB.astype(np.uint16), "is uint16; give uint8"),
        (GREY > 9, "is bool; give uint8"),
        (RGB.astype(np.float32), "floats from 0 to 255; scale them to 0 to 1"),
        (RGB / 127 - 1, "floats from -1 to 1.00"),
        (np.full((40, 40), np.nan), "floats from nan to nan"),
        (RGB[None], r"is \[1, 40, 50, 3\]; give \[height, width\] for grey"),
        (RGB[..., :2], r"is \[40, 50, 2\]"),
        (RGB.ravel(), r"is \[6000\]"),
        (RGB[:8], "is 50 x 8 pixels"),
        (RGB[:0], "is 50 x 0 pixels"),
        (Image.new("RGB", (9, 40)), "The image is 9 x 40 pixels"),
        (Image.new("F", (40, 40)), "signed or 32-bit pixels"),
        (b"", "is empty"),
        (b"no image", "is not a PNG, JPEG"),
    ],
)
def test_what_cannot_be_an_image_is_refused_in_one_sentence(image: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        rgb_pixels(image)


@pytest.mark.parametrize("foreign", [3, None, io.BytesIO(b"x"), {"a": 1}])
def test_what_is_no_image_at_all_is_refused(foreign: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{type(foreign).__name__} is no kind of image; give a path"):
        rgb_pixels(foreign)
