"""Masks: which pixels count as defective."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.errors import ImageError
from blemish.images.reading import read_mask

PATTERN = np.random.default_rng(0).random((40, 60)) > 0.8


def saved(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


@pytest.mark.parametrize("value", [1, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_mask_pixels_that_are_not_zero_are_defective(tmp_path: Path, value: int, dtype: type) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(PATTERN.astype(dtype) * dtype(value)))
    mask = read_mask(path)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, PATTERN)


def test_masks_may_be_small(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(PATTERN[:5, :3]))
    np.testing.assert_array_equal(read_mask(path), PATTERN[:5, :3])


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA"])
def test_masks_of_other_modes(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path / "a.png", Image.fromarray(PATTERN).convert(mode))
    np.testing.assert_array_equal(read_mask(path), PATTERN)


def test_a_jpeg_mask_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.new("L", (60, 40)))
    with pytest.raises(ImageError, match=r"a\.jpg is a JPEG.*save the mask as PNG"):
        read_mask(path)
