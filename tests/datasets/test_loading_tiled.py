"""From large images to tiles in one array."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.datasets import Sample
from blemish.datasets.loading import load_rows
from blemish.images.frame import Frame
from blemish.images.reading import load_frame
from blemish.images.tiling import Grid
from tests.support import textures


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Images of several sizes, one of them smaller than a tile."""
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, (height, width) in zip(paths, ((80, 112), (112, 80), (32, 32), (50, 75)), strict=True):
        Image.fromarray(textures(1, height, size=128)[0, :height, :width]).save(path)
    return [Sample(path, label=0) for path in paths]


def test_each_row_belongs_to_its_image(samples: list[Sample]) -> None:
    frame = Frame(tile=40, overlap=0.5)
    rows = load_rows(samples, frame)
    assert rows.samples == samples and len(rows.images) == len(rows.owners)
    for index, sample in enumerate(samples):
        image = load_frame(sample.path, frame)
        expected = list(Grid(*image.shape[:2], (40, 40), 0.5).cut(image))
        np.testing.assert_array_equal(rows.images[rows.of(np.array([index]))], expected)


def test_changed_versions_lie_behind_an_images_own_rows(samples: list[Sample]) -> None:
    frame = Frame(tile=40, overlap=0.5)
    changes = [lambda picture: picture // 2, lambda picture: 255 - picture]
    plain, rows = load_rows(samples, frame), load_rows([*samples, samples[0]], frame, changes=changes)
    assert rows.samples == samples and rows.digests == plain.digests
    for index in range(len(samples)):
        own = plain.images[plain.of(np.array([index]))]
        expected = np.concatenate([own, own // 2, 255 - own])
        np.testing.assert_array_equal(rows.images[rows.of(np.array([index]))], expected)
        np.testing.assert_array_equal(rows.picture(index, frame), plain.picture(index, frame))


def test_unreadable_files_leave_no_gap(samples: list[Sample], tmp_path: Path) -> None:
    text, damaged = tmp_path / "text.png", tmp_path / "damaged.png"
    text.write_text("no image")
    damaged.write_bytes(samples[0].path.read_bytes()[:1000])
    spoilt = [Sample(text), samples[0], Sample(damaged), *samples[1:]]
    frame = Frame(tile=32)
    clean, rows = load_rows(samples, frame), load_rows(spoilt, frame, skip_unreadable=True)
    assert rows.samples == samples and [path for path, _ in rows.skipped] == [str(text), str(damaged)]
    assert rows.digests == clean.digests
    np.testing.assert_array_equal(rows.owners, clean.owners)
    np.testing.assert_array_equal(rows.images, clean.images)
