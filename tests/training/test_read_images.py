"""The good images of a fit, read into rows, and what the user is told of them."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blemish.datasets import Dataset, Sample
from blemish.datasets.loading import Rows
from blemish.errors import BlemishError, DatasetError, ImageError
from blemish.training.config import build_config
from blemish.training.read_images import GoodImages, read_images
from tests.support import texture_dataset, texture_files, textures


def read(folder: Path, files: list[Path], method: str = "sagan", **values: Any) -> Rows:
    skip = values.pop("skip_unreadable", False)
    config = build_config(values={"method": method, "frame": {"resize": 32}} | values)
    data = Dataset("textures", [Sample(path, label=0) for path in files])
    return read_images(data, config, folder, skip_unreadable=skip)


def test_they_are_split_and_digested(tmp_path: Path) -> None:
    config = build_config(values={"frame": {"resize": 32, "crop": 32}})
    rows = read_images(texture_dataset(tmp_path, 10), config, tmp_path, skip_unreadable=False)
    images, again = GoodImages(rows, config), GoodImages(rows, config)
    assert rows.images.shape == (10, 32, 32, 3)
    assert (len(images.held_out), images.held_out_rows.tolist()) == (2, images.held_out.tolist())
    assert sorted([*images.learn_rows, *images.held_out_rows]) == list(range(10))
    assert images.digest == again.digest and len(images.digest) == 64
    assert images.some(images.learn_rows, 3).tolist() == rows.images[images.learn_rows[::3]].tolist()


def test_unreadable_files_stop_it_unless_they_may_be_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = texture_files(tmp_path, 7)
    paths[1].write_bytes(b"not an image")
    paths[4].write_bytes(paths[4].read_bytes()[:200])
    with pytest.raises(ImageError, match=r"001\.png"):
        read(tmp_path, paths)
    assert len(read(tmp_path, paths, skip_unreadable=True).samples) == 5
    first, second, count = caplog.messages
    assert "001.png" in first and "004.png" in second
    assert count == "2 of 7 images were skipped as unreadable."
    with pytest.raises(DatasetError, match="has 1 good image"):
        read(tmp_path, [paths[0], paths[1], paths[4]], skip_unreadable=True)


def test_images_beyond_the_memory_budget_are_kept_in_a_nameless_file(tmp_path: Path) -> None:
    paths = texture_files(tmp_path, 4)
    in_memory = read(tmp_path, paths).images
    in_file = read(tmp_path, paths, training={"cache_gigabytes": 0}).images
    assert isinstance(in_file.base, np.memmap) and not isinstance(in_memory, np.memmap)
    assert np.array_equal(in_file, in_memory)
    assert sorted(tmp_path.iterdir()) == paths


def test_a_disk_too_small_for_them_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(total=10, used=5, free=5))
    with pytest.raises(BlemishError, match=r"has 0\.0 GB free; make room, or raise"):
        read(tmp_path, texture_files(tmp_path, 2), training={"cache_gigabytes": 0})


def test_a_crop_that_hides_much_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.fromarray(textures(1, size=128)[0, :64]).save(tmp_path / "wide.png")
    read(tmp_path, [tmp_path / "wide.png"] * 2, "padim", frame={"resize": 64, "crop": 56})
    assert caplog.messages == [
        "The crop shows the network 38% of wide.png; set frame.crop=none to show it whole images."
    ]


@pytest.mark.parametrize(("size", "told"), [(128, True), (64, False), (32, False)])
def test_images_smaller_than_the_frame_are_told(
    size: int, told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read(tmp_path, texture_files(tmp_path, 2), "anotrans", frame={"resize": size})  # 64 x 64
    sentence = "000.png is enlarged from 64 x 64 to 128 pixels; frame.resize=64 would cost less."
    assert caplog.messages == [sentence] * told


@pytest.mark.parametrize("method", ["anotrans", "ganomaly", "sagan", "skip_ganomaly"])
@pytest.mark.parametrize(("height", "width"), [(40, 40), (90, 100), (50, 64)])
def test_the_frame_that_is_proposed_can_be_taken(
    height: int, width: int, method: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = [tmp_path / f"{name}.png" for name in "ab"]
    for file in files:
        Image.fromarray(textures(1, size=128)[0, :height, :width]).save(file)
    read(tmp_path, files, method, frame={"resize": 128})
    (said,) = caplog.messages
    assert said.startswith(f"a.png is enlarged from {width} x {height} to 128 pixels; ")
    for proposed in re.findall(r"frame\.resize=\d+", said):
        build_config(assignments=[proposed], values={"method": method})
