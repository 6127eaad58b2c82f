"""What is kept out of fitting, and the synthetic defects drawn onto it."""

from pathlib import Path

import numpy as np
import pytest

from blemish.comparison.data import draw_synthetic, split_dataset
from blemish.datasets import Dataset, Sample, read_folder
from blemish.errors import DatasetError
from blemish.images.reading import read_image, read_mask
from tests.support import texture_files


def test_good_test_images_are_used_as_they_are(parts_folder: Path) -> None:
    dataset = read_folder(parts_folder)
    split = split_dataset(dataset)
    assert split.data is dataset and split.kept_out == 0 and split.labelled


def test_defects_without_good_test_images_get_some() -> None:
    train = [Sample(Path(f"{index}.png"), 0) for index in range(20)]
    split = split_dataset(Dataset("d", train, [Sample(Path("x.png"), 1, "dent")]))
    assert (len(split.data.train), len(split.data.test), split.kept_out) == (15, 6, 5)
    assert not set(split.data.train) & set(split.data.test)
    assert split_dataset(Dataset("d", train, [Sample(Path("x.png"), 1, "dent")])) == split


def test_copies_are_not_both_learned_from_and_measured_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [path for name in "abc" for path in texture_files(tmp_path / name, 8)]
    split = split_dataset(Dataset("d", [Sample(path, 0) for path in files]))
    assert [sample.path for sample in sorted(split.data.train + split.data.test, key=str)] == files[:8]
    assert caplog.messages == ["16 of 24 good images are copies of others and are left out."]


def test_too_few_images_or_no_label() -> None:
    few = [Sample(Path(f"{index}.png"), 0) for index in range(7)]
    with pytest.raises(DatasetError, match="has 7 good images"):
        split_dataset(Dataset("d", few))
    with pytest.raises(DatasetError, match="has 1 good image, and"):
        split_dataset(Dataset("d", few[:1]))
    with pytest.raises(DatasetError, match="has no label"):
        split_dataset(Dataset("d", few, [Sample(Path("x.png"))]))


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
