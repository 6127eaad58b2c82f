"""Polygons enclose their pixels, and Feret diameters are those of known shapes."""

import numpy as np
import pytest
from scipy import ndimage

from blemish.images.outlines import feret_diameters, outer_polygons


def signed_area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2


def test_a_rectangle_has_four_corners_clockwise() -> None:
    mask = np.zeros((5, 6), bool)
    mask[1:3, 2:6] = True
    (polygon,) = outer_polygons(mask)
    assert polygon.tolist() == [[2, 1], [6, 1], [6, 3], [2, 3]]
    assert outer_polygons(np.zeros((3, 3), bool)) == []


@pytest.mark.parametrize("density", [0.2, 0.5, 0.8])
def test_polygons_of_noise_enclose_the_pixels_and_their_holes(density: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((9, 13)) < density
        areas = [signed_area(polygon) for polygon in outer_polygons(mask)]
        holes, count = ndimage.label(np.pad(~mask, 1, constant_values=True))
        inside = sum((holes == number).sum() for number in range(1, count + 1) if number != holes[0, 0])
        assert min(areas, default=1) > 0
        # islands in a hole are enclosed twice, and a hole that touches another by a corner may stay open
        assert mask.sum() <= sum(areas)
        if not inside:
            assert sum(areas) == mask.sum()


def test_feret_diameters_of_known_shapes() -> None:
    square = np.array([[0.0, 0], [3, 0], [3, 4], [0, 4]])
    assert feret_diameters(square) == pytest.approx((5, 3))
    turned = np.array([[0.0, 0], [4, 3], [3.4, 3.8], [-0.6, 0.8]])  # 5 x 1, in no order of the axes
    assert feret_diameters(turned[[2, 0, 3, 1]]) == pytest.approx((26**0.5, 1))
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert feret_diameters(np.concatenate([circle, 0.5 * circle])) == pytest.approx((2, 2), rel=1e-4)
