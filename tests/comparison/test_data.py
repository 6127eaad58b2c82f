"""What is kept out of fitting, and the synthetic defects drawn onto it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.comparison.data import draw_synthetic, split_dataset
from blemish.datasets import Dataset, Sample, read_folder
from blemish.errors import DatasetError
from blemish.images.reading import read_image, read_mask
from tests.support import texture_files

GOOD = [Sample(Path(f"{index}.png"), 0) for index in range(20)]
DEFECT = Sample(Path("x.png"), 1, "dent")


def test_defects_without_good_test_images_get_some(parts_folder: Path) -> None:
    complete = read_folder(parts_folder)
    assert split_dataset(complete) == (complete, 0)
    data, kept_out = split_dataset(Dataset("d", GOOD, [DEFECT]))
    assert (len(data.train), len(data.test), kept_out) == (15, 6, 5)
    assert not set(data.train) & set(data.test) and data.test[-1] == DEFECT
    assert split_dataset(Dataset("d", GOOD, [DEFECT])) == (data, kept_out)


def test_copies_are_not_both_learned_from_and_measured_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [path for name in "abc" for path in texture_files(tmp_path / name, 8)]
    data, _ = split_dataset(Dataset("d", [Sample(path, 0) for path in files]))
    assert [sample.path for sample in sorted(data.train + data.test, key=str)] == files[:8]
    assert caplog.messages == ["16 of 24 good images are copies of others and are left out."]


def test_near_equal_images_are_not_both_learned_from_and_measured_on(tmp_path: Path) -> None:
    files = texture_files(tmp_path, 12)
    for path in files:
        Image.open(path).save(path.with_suffix(".jpg"), quality=95)
    data, kept_out = split_dataset(Dataset("d", [Sample(path, 0) for path in sorted(tmp_path.iterdir())]))
    train, test = ({sample.path.stem for sample in part} for part in (data.train, data.test))
    assert not train & test and (len(train), len(data.train), kept_out) == (9, 18, 3)


@pytest.mark.parametrize(
    ("count", "test", "message"),
    [
        (7, [], "has 7 good images"),
        (1, [], "has 1 good image, and"),
        (20, [Sample(Path("x.png"))], "no label"),
    ],
)
def test_too_few_images_or_no_label(count: int, test: list[Sample], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        split_dataset(Dataset("d", GOOD[:count], test))


def test_synthetic_files(tmp_path: Path) -> None:
    good = [Sample(path, 0) for path in texture_files(tmp_path / "good", 3)]
    samples = draw_synthetic(good, tmp_path / "drawn", 48)
    assert len(samples) == 30 and sum(not sample.label for sample in samples) == 3
    clean = read_image(samples[0].path)
    assert clean.shape == (48, 48, 3)
    for sample in samples[1:10]:
        assert sample.mask is not None
        mask = read_mask(sample.mask)
        assert np.array_equal(read_image(sample.path)[~mask], clean[~mask]) and mask.any()
    before = [sample.path.read_bytes() for sample in samples]
    assert [sample.path.read_bytes() for sample in draw_synthetic(good, tmp_path / "drawn", 48)] == before
