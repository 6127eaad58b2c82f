"""Drawn parts: the same seed draws the same bytes, and masks cover what was changed."""

from pathlib import Path

import pytest

from blemish.datasets import read_folder
from blemish.datasets.drawn import DEFECTS, TEXTURES, draw_part, generate
from blemish.errors import ConfigError, DatasetError


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    small = {"train": 2, "test": 1, "size": 64}
    first = contents(generate(tmp_path / "a", **small))
    assert first == contents(generate(tmp_path / "b", **small))
    other = contents(generate(tmp_path / "c", seed=1, **small))
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first)


@pytest.mark.parametrize("texture", TEXTURES)
def test_a_data_set_that_can_be_read(tmp_path: Path, texture: str) -> None:
    dataset = read_folder(generate(tmp_path / texture, texture=texture, train=3, test=2, size=64))
    assert len(dataset.train) == 3
    assert {sample.defect for sample in dataset.test} == {"good", *DEFECTS}
    assert [sample.mask is not None for sample in dataset.test] == [s.label == 1 for s in dataset.test]
    assert len(set(contents(tmp_path / texture / "train").values())) == 3


@pytest.mark.parametrize("size", [64, 160])
@pytest.mark.parametrize("kind", DEFECTS)
@pytest.mark.parametrize("texture", TEXTURES)
def test_masks_cover_the_changed_pixels(texture: str, kind: str, size: int) -> None:
    for seed in range(3):
        good, no_mask = draw_part(texture, seed=(seed,), size=size)
        bad, mask = draw_part(texture, kind, seed=(seed,), size=size)
        changed = (good != bad).any(axis=2)
        assert not no_mask.any()
        assert not (changed & ~mask).any()
        assert 0.0003 < mask.mean() < 0.2
        assert changed.sum() > 0.8 * mask.sum()


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'wood' is not a texture; choose one of: metal, fabric, ceramic"):
        generate(tmp_path / "a", texture="wood")
    with pytest.raises(ConfigError, match="size of 32 is too small"):
        generate(tmp_path / "a", size=32)
    (tmp_path / "a.txt").touch()
    for folder in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(DatasetError, match="is not empty; give a new folder"):
            generate(folder)
