"""From samples to one array."""

from pathlib import Path

import numpy as np
import pytest

from blemish.datasets import Sample, load_frames, read_folder
from blemish.datasets.loading import load_rows
from blemish.errors import DatasetError, ImageError
from blemish.images.frame import Frame
from blemish.images.reading import load_frame

FRAME = Frame(resize=64, crop=56)


@pytest.fixture
def samples(parts_folder: Path) -> list[Sample]:
    return read_folder(parts_folder).train


@pytest.fixture
def spoilt(samples: list[Sample], tmp_path: Path) -> list[Sample]:
    """The samples with an empty file after the first and a text file after the second."""
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image")
    empty, text = Sample(tmp_path / "empty.png", label=0), Sample(tmp_path / "text.png", label=0)
    return [samples[0], empty, samples[1], text, *samples[2:]]


def test_images_come_in_order(samples: list[Sample]) -> None:
    images, kept, skipped = load_frames(samples, FRAME)
    assert images.shape == (8, 56, 56, 3)
    assert images.dtype == np.uint8
    assert kept == samples
    assert skipped == []
    for image, sample in zip(images, samples, strict=True):
        np.testing.assert_array_equal(image, load_frame(sample.path, FRAME))


def test_bad_files_stop_loading_or_are_left_out_on_request(
    spoilt: list[Sample], samples: list[Sample]
) -> None:
    with pytest.raises(ImageError, match=r"empty\.png is empty"):
        load_frames(spoilt, FRAME)
    images, kept, skipped = load_frames(spoilt, FRAME, skip_unreadable=True)
    assert kept == samples
    np.testing.assert_array_equal(images, load_frames(samples, FRAME)[0])
    assert [path for path, _ in skipped] == [str(spoilt[1].path), str(spoilt[3].path)]
    assert skipped[1][1].endswith("text.png is not a PNG, JPEG, BMP, TIFF or WebP image; convert it to one.")
    with pytest.raises(DatasetError, match=r"None of the 2 images can be read; the first one: .*is empty"):
        load_frames([spoilt[1], spoilt[3]], FRAME, skip_unreadable=True)


def test_an_array_made_elsewhere_is_filled(samples: list[Sample], tmp_path: Path) -> None:
    made: list[np.ndarray] = []

    def allocate(shape: tuple[int, ...]) -> np.ndarray:
        made.append(np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, shape))
        return made[0]

    images = load_rows(samples, FRAME, allocate=allocate).images
    assert np.shares_memory(images, made[0])
    np.testing.assert_array_equal(images, load_frames(samples, FRAME)[0])


def test_no_samples_give_no_images() -> None:
    images, kept, skipped = load_frames([], FRAME)
    assert images.shape == (0, 56, 56, 3)
    assert (kept, skipped) == ([], [])
