"""The good images of a fit, read into rows, and what the user is told of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blemish.datasets import Dataset, Sample
from blemish.errors import DatasetError, ImageError
from blemish.training.batches import split_indices
from blemish.training.config import build_config
from blemish.training.read_images import GoodImages, read_images
from tests.support import texture_files, textures

ENLARGED = "0.png is enlarged from {width} x {height} to 128 pixels; frame.resize="


def read(folder: Path, files: list[Path], method: str = "sagan", **values: Any) -> GoodImages:
    skip = values.pop("skip_unreadable", False)
    config = build_config(values={"method": method, "frame": {"resize": 32}} | values)
    data = Dataset("textures", [Sample(path, label=0) for path in files])
    return read_images(data, config, folder, skip_unreadable=skip)


def test_they_are_split_and_digested_and_kept_in_a_nameless_file_beyond_the_memory_budget(
    tmp_path: Path,
) -> None:
    paths = texture_files(tmp_path, 20)
    images, on_disk = (read(tmp_path, paths, training={"cache_gigabytes": size}) for size in (1, 0))
    rows = images.rows.images
    assert rows.shape == (20, 32, 32, 3) and not isinstance(rows, np.memmap)
    assert isinstance(on_disk.rows.images.base, np.memmap) and np.array_equal(on_disk.rows.images, rows)
    assert sorted(tmp_path.iterdir()) == paths
    assert (len(images.held_out), images.held_out_rows.tolist()) == (2, images.held_out.tolist())
    assert sorted([*images.learn_rows, *images.held_out_rows]) == list(range(20))
    assert images.digest == on_disk.digest and len(images.digest) == 64
    assert images.some(images.learn_rows, 6).tolist() == rows[images.learn_rows[::3]].tolist()


def test_unreadable_files_stop_it_unless_they_may_be_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = texture_files(tmp_path, 7)
    paths[1].write_bytes(b"not an image")
    paths[4].write_bytes(paths[4].read_bytes()[:200])
    with pytest.raises(
        ImageError, match=r"001\.png is not .* to one, or leave such files out with --skip-unreadable\.$"
    ):
        read(tmp_path, paths)
    assert len(read(tmp_path, paths, skip_unreadable=True).rows.samples) == 5
    first, second, count = caplog.messages
    assert "001.png" in first and "004.png" in second
    assert count == "2 of 7 images were skipped as unreadable."
    with pytest.raises(DatasetError, match="has 1 good image"):
        read(tmp_path, [paths[0], paths[1], paths[4]], skip_unreadable=True)


def test_copies_by_bytes_or_as_seen_count_once_and_change_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = texture_files(tmp_path, 10)
    once = read(tmp_path, paths)
    assert once.held_out.tolist() == split_indices(10, 0.1, 0)[1].tolist() and len(once.rows.samples) == 10
    assert not [message for message in caplog.messages if "copies" in message]
    again = [path.with_suffix(".bmp") for path in paths]
    for path, copy in zip(paths, again, strict=True):
        Image.open(path).save(copy)
    for files in (paths + paths + again, [paths[0], again[0], *paths]):
        caplog.clear()
        many = read(tmp_path, files)
        assert (many.digest, many.rows.samples) == (once.digest, once.rows.samples)
        assert np.array_equal(many.rows.images, once.rows.images)
        assert many.held_out.tolist() == once.held_out.tolist()
        (told,) = [message for message in caplog.messages if "copies" in message]
        assert told.startswith(
            f"{len(files) - 10} of {len(files)} images are copies of others and are left out"
        )
    with pytest.raises(
        DatasetError, match=r"All 3 images of textures look the same to the network as .*000\.png"
    ):
        read(tmp_path, [paths[0], paths[0], again[0]])


@pytest.mark.parametrize(
    ("method", "frame", "width", "height", "told"),
    [
        ("padim", {"tile": 48}, 100, 40, "0.png is 100 x 40 pixels, smaller than a tile of 48 x 48, and is"),
        ("padim", {"tile": 48}, 100, 50, ""),
        ("anotrans", {"resize": 64}, 64, 64, ""),
        *((name, {"resize": 128}, 50, 64, ENLARGED) for name in ("ganomaly", "sagan", "skip_ganomaly")),
        *((name, {"resize": 128}, 100, 90, ENLARGED) for name in ("anotrans", "ganomaly", "sagan")),
    ],
)
def test_what_the_frame_does_to_the_images_is_told(
    method: str,
    frame: Any,
    width: int,
    height: int,
    told: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for number, image in enumerate(textures(2, size=128)):
        Image.fromarray(image[:height, :width]).save(tmp_path / f"{number}.png")
    read(tmp_path, sorted(tmp_path.iterdir()), method, frame=frame)
    said = "".join(caplog.messages)
    assert len(caplog.messages) == bool(told) and said.startswith(told.format(width=width, height=height))
    if told == ENLARGED:  # the frame that is proposed can be taken
        proposed = said.partition("; ")[2].removesuffix(" would cost less.")
        build_config(assignments=[proposed], values={"method": method})


@pytest.mark.parametrize(("brightest", "depth", "factor"), [(1023, 10, 64), (3000, 12, 16), (65535, 16, 1)])
def test_16_bit_images_that_use_fewer_are_told_once_and_no_more_with_the_bit_depth_that_is_named(
    brightest: int, depth: int, factor: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        values = np.full((40, 40), brightest // (3 - number), np.uint16)
        Image.fromarray(values).save(tmp_path / f"{number}.png")
    paths = sorted(tmp_path.iterdir())
    read(tmp_path, paths)
    if factor > 1:
        told = caplog.messages[0]
        assert told.startswith(
            f"16-bit images such as 0.png stay below {2**depth} of 65536 and are very dark"
        )
        assert f"set frame.bit_depth={depth} " in told and f" {factor} times" in told
    caplog.clear()
    images = read(tmp_path, paths, frame={"resize": 32, "bit_depth": depth})
    assert not caplog.messages and images.rows.images.max() == brightest // (256 // factor)
