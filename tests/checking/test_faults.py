"""Badly taken photographs stand out from the folder, not from a fixed limit."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageFilter

from blemish.checking.faults import faults, look
from tests.support import textures

SHAPE = (64, 64)
CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "dark": lambda image: image.point(lambda value: 0.4 * value),
    "bright": lambda image: image.point(lambda value: 140 + 0.4 * value),
    "over-exposed": lambda image: image.point(lambda value: 255 if value > 120 else value),
}


def found(images: list[np.ndarray]) -> list[list[str]]:
    return faults([look(image) for image in images], [SHAPE] * len(images))


@pytest.mark.parametrize("fault", CHANGES)
def test_one_that_differs_is_named(fault: str) -> None:
    images = list(textures(12))
    images[3] = np.asarray(CHANGES[fault](Image.fromarray(images[3])))
    of_images = found(images)
    assert fault in of_images.pop(3) and of_images == [[]] * 11


@pytest.mark.parametrize("fault", CHANGES)
def test_what_all_share_is_no_fault(fault: str) -> None:
    images = [np.asarray(CHANGES[fault](Image.fromarray(image))) for image in textures(12)]
    assert found(images) == [[]] * 12


def test_sizes_that_differ_from_that_of_most_are_named() -> None:
    looks = [look(image) for image in textures(5)]
    assert faults(looks, [SHAPE] * 4 + [(40, 60)]) == [[]] * 4 + [["60 x 40 pixels"]]
    assert faults(looks, [(64, 64 + number) for number in range(5)]) == [[]] * 5
