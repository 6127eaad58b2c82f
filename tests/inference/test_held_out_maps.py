"""The maps that calibrated a model travel with it, small and true to their peaks."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from blemish.errors import ModelFileError
from blemish.inference.detector import Detector
from blemish.inference.held_out_maps import packed, peaks_of, read_packed, reduced, unpacked
from blemish.inference.model_file import HELD_OUT_MAPS


@pytest.mark.parametrize(
    ("shape", "cells"), [((224, 224), (112, 112)), ((300, 100), (100, 34)), ((90, 128), (90, 128))]
)
def test_maps_are_reduced_by_whole_numbers_and_keep_their_peaks(
    shape: tuple[int, int], cells: tuple[int, int]
) -> None:
    values = np.random.default_rng(0).random(shape, np.float32)
    small = reduced(values)
    assert small.shape == cells and small.max() == values.max()


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e6])
def test_maps_of_any_scale_and_several_sizes_come_back(unit: float) -> None:
    rng = np.random.default_rng(1)
    maps = [(unit * rng.random(shape)).astype(np.float32) for shape in ((3, 5), (6, 2), (1, 1))]
    again = unpacked(packed(maps), peaks_of(maps))
    assert [one.shape for one in again] == [one.shape for one in maps]
    for one, other in zip(again, maps, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-6 * unit)


def test_they_are_in_the_model_file_and_in_its_exports(fitted: tuple[Detector, Path], exported: Path) -> None:
    detector, path = fitted
    cells = read_packed(path)
    assert cells is not None
    peaks = detector.metadata["map_peaks"]
    assert peaks_of(unpacked(cells, peaks)) == pytest.approx(peaks, rel=1e-3)
    assert np.array_equal(read_packed(exported), cells)
    if find_spec("openvino"):
        from blemish.export.graph import attach_maps

        pair = exported.with_suffix(".xml")
        attach_maps(pair, cells)
        assert np.array_equal(read_packed(pair), cells)
        assert Detector.load(pair).metadata == detector.metadata


def test_older_files_have_none_and_damaged_ones_are_refused(
    fitted: tuple[Detector, Path], tmp_path: Path
) -> None:
    tensors = load_file(fitted[1])
    old, damaged = tmp_path / "old.safetensors", tmp_path / "damaged.safetensors"
    save_file({name: tensor for name, tensor in tensors.items() if name != HELD_OUT_MAPS}, old)
    assert read_packed(old) is None
    save_file({HELD_OUT_MAPS: np.zeros(3, np.float16)}, damaged)
    with pytest.raises(ModelFileError, match="damaged"):
        read_packed(damaged)
