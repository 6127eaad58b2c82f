"""From samples to one array."""

from pathlib import Path

import numpy as np
import pytest

from blemish.datasets import Sample, read_folder
from blemish.datasets.loading import load_rows
from blemish.errors import DatasetError, ImageError
from blemish.images.frame import Frame
from blemish.images.reading import load_frame

FRAME, TILED = Frame(resize=64, crop=56), Frame(tile=64)


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


@pytest.mark.parametrize("frame", [FRAME, TILED])
def test_images_come_in_order_into_an_array_made_elsewhere(
    samples: list[Sample], frame: Frame, tmp_path: Path
) -> None:
    made: list[np.ndarray] = []

    def allocate(shape: tuple[int, ...]) -> np.ndarray:
        made.append(np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, shape))
        return made[0]

    rows = load_rows(samples, frame, allocate=allocate)
    assert np.shares_memory(rows.images, made[0])
    assert rows.images.shape == ((8, 56, 56, 3) if frame == FRAME else (32, 64, 64, 3))
    assert (rows.samples, rows.skipped) == (samples, [])
    for number, sample in enumerate(samples):
        framed = load_frame(sample.path, frame)
        np.testing.assert_array_equal(rows.picture(number, frame), framed)
        assert len(rows.of(np.array([number]))) == len(rows.images) // 8
    assert load_rows([], frame).images.shape == (0, *rows.images.shape[1:])


@pytest.mark.parametrize("frame", [FRAME, TILED])
def test_bad_files_stop_loading_or_are_left_out_on_request(
    spoilt: list[Sample], samples: list[Sample], frame: Frame
) -> None:
    with pytest.raises(ImageError, match=r"empty\.png is empty"):
        load_rows(spoilt, frame)
    rows = load_rows(spoilt, frame, skip_unreadable=True)
    assert rows.samples == samples
    np.testing.assert_array_equal(rows.images, load_rows(samples, frame).images)
    assert [path for path, _ in rows.skipped] == [str(spoilt[1].path), str(spoilt[3].path)]
    assert rows.skipped[1][1].endswith(
        "text.png is not a PNG, JPEG, BMP, TIFF or WebP image; convert it to one."
    )
    with pytest.raises(DatasetError, match=r"None of the 2 images can be read; the first one: .*is empty"):
        load_rows([spoilt[1], spoilt[3]], frame, skip_unreadable=True)
