"""Near-equal images are told from alike ones."""

import io

import numpy as np
import pytest
from PIL import Image

from blemish.datasets.copies import first_of_copies, thumbnail
from tests.support import textures


def saved_again(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=50)
    return np.asarray(Image.open(file))


CHANGES = {
    "re-encoded": saved_again,
    "shifted": lambda image: np.roll(image, (3, -2), (0, 1)),
    "darker": lambda image: (0.9 * image).astype(np.uint8),
    "smaller": lambda image: np.asarray(Image.fromarray(image).resize((128, 128))),
}


def photographs(count: int) -> list[np.ndarray]:
    return [np.asarray(Image.fromarray(one).resize((256, 256))) for one in textures(count)]


def firsts(images: list[np.ndarray]) -> list[int]:
    return first_of_copies(np.array([thumbnail(image) for image in images])).tolist()


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_photograph_is_a_copy(change: str) -> None:
    images = photographs(12)
    copies = [CHANGES[change](images[index]) for index in (2, 7)]
    assert firsts([*images, *copies]) == [*range(12), 2, 7]


def test_a_group_may_have_several_and_begins_with_its_first() -> None:
    images = photographs(12)
    assert firsts([np.roll(one, shift, 0) for shift in range(4) for one in images]) == [*range(12)] * 4


@pytest.mark.parametrize("count", range(4))
def test_few_images_are_no_copies_of_each_other(count: int) -> None:
    assert firsts(list(textures(count))) == list(range(count))


def test_alike_parts_in_the_same_place_are_no_copies() -> None:
    part = textures(1, size=256)[0].astype(np.float64)
    rng = np.random.default_rng(0)
    marks = [np.kron(rng.normal(0, 2, (32, 32, 1)), np.ones((8, 8, 1))) for _ in range(20)]
    assert firsts([np.clip(part + mark, 0, 255).astype(np.uint8) for mark in marks]) == list(range(20))
