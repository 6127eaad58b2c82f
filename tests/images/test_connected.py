"""Connected regions against scipy."""

import numpy as np
import pytest
from scipy import ndimage

from blemish.images.connected import connected_regions

EIGHT = np.ones((3, 3))


def assert_same_regions(mask):
    labels, count = connected_regions(mask)
    expected, expected_count = ndimage.label(mask, EIGHT)
    assert count == expected_count
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("density", [0.02, 0.2, 0.35, 0.45, 0.6, 0.9])
@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (2, 3), (31, 50), (128, 97)])
def test_regions_of_noise_equal_scipy(density, shape):
    rng = np.random.default_rng(int(density * 100))
    for _ in range(4):
        assert_same_regions(rng.random(shape) < density)


def spiral(size):
    """One pixel wide, with a gap of one, from the rim to the middle."""
    mask = np.zeros((size, size), bool)
    y, x, dy, dx = 0, 0, 0, 1
    mask[0, 0] = True
    for steps in [size - 1, *np.repeat(np.arange(size - 1, 1, -2), 2)]:
        for _ in range(steps):
            y, x = y + dy, x + dx
            mask[y, x] = True
        dy, dx = dx, -dy
    return mask


def test_regions_of_hard_shapes_equal_scipy():
    rows, columns = np.indices((40, 41))
    comb = (columns % 2 == 0) | (rows == 39)
    shapes = {
        "empty": np.zeros((5, 6), bool),
        "full": np.ones((5, 6), bool),
        "checkerboard": (rows + columns) % 2 == 0,
        "both diagonals": (rows == columns) | (rows + columns == 39),
        "comb": comb,
        "comb upside down": comb[::-1],
        "comb on its side": comb.T,
        "bars that end where the next row starts": (rows % 2 == 0) == (columns < 20),
        "opposite rims": (columns == 0) ^ (columns == 40) ^ (rows == 20),
        "spiral": spiral(61),
        "spiral inside out": spiral(61)[::-1, ::-1],
        "zigzag": np.tile(np.eye(6, dtype=bool), (7, 7)) | np.tile(np.eye(6, dtype=bool)[::-1], (7, 7)),
    }
    for mask in shapes.values():
        assert_same_regions(mask)


def test_row_ends_do_not_wrap_around():
    mask = np.zeros((3, 4), np.uint8)
    mask[0, 3] = mask[1, 0] = mask[2, 3] = 255
    assert connected_regions(mask)[1] == 3
    with pytest.raises(ValueError, match=r"\[H, W\]"):
        connected_regions(mask[None])
