"""Odd images and copies among the good ones: what a fit makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blemish.datasets import Dataset, Sample
from blemish.datasets.loading import load_rows
from blemish.errors import ConfigError
from blemish.inference.detector import Detector
from blemish.training.calibrate import stand_out
from blemish.training.config import build_config
from blemish.training.fit import fit
from blemish.training.oddness import Oddness
from tests.support import BACKBONE, texture_files, textures

COUNT = 20


def fitted(folder: Path, files: list[Path], method: str = "rad", **values: Any) -> Detector:
    model = {"backbone": BACKBONE}
    given = {"method": method, "frame": {"resize": 64, "crop": "none"}, "model": model} | values
    data = Dataset("parts", [Sample(path, label=0) for path in files])
    return fit(data, build_config(values=given), folder / "model.safetensors", weights="random")


def alike(folder: Path) -> list[Path]:
    """Images of one texture with a little noise, and one of noise alone, the last."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    base = textures(1)[0].astype(np.float64)
    images = [base + rng.normal(0, 12, base.shape) for _ in range(COUNT)]
    images.append(rng.uniform(0, 255, base.shape))
    paths = [folder / f"{number:03}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(path)
    return paths


@pytest.mark.parametrize("method", ["rad", "padim"])
def test_with_a_contamination_the_oddest_are_neither_learned_from_nor_calibrated_on(
    method: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = alike(tmp_path / "images")
    detector = fitted(tmp_path, files, method, contamination=0.05, false_alarm_rate=0.1)
    data = detector.metadata["data"]
    assert (data["images"], len(data["left_out"]), data["contamination"]) == (COUNT, 1, 0.05)
    (told,) = [message for message in caplog.messages if "oddest" in message]
    assert str(files[-1]) in told and told.endswith("up to 14.5 % of good images may alarm instead of 10 %.")
    assert detector.calibration.scores.max() < detector.predict(files[-1]).score


def test_without_one_the_odd_image_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="blemish")
    files = alike(tmp_path / "images")
    fitted(tmp_path, files)
    (told,) = [message for message in caplog.messages if "look odd" in message]
    assert told.startswith(f"1 of {COUNT + 1} images") and str(files[-1]) in told


def test_the_odd_image_has_regions_where_it_is_hotter_than_the_others(tmp_path: Path) -> None:
    given = {"method": "rad", "frame": {"resize": 64, "crop": "none"}, "model": {"backbone": BACKBONE}}
    config = build_config(values=given)
    rows = load_rows([Sample(path, label=0) for path in alike(tmp_path / "images")], config.frame)
    oddness = Oddness(rows, config, None)
    assert oddness.result(COUNT).regions
    assert sum(bool(oddness.result(index).regions) for index in range(COUNT)) <= 1


def test_only_what_is_far_above_the_others_stands_out_and_of_few_images_nothing() -> None:
    scores = np.exp(np.random.default_rng(0).normal(0, 0.1, 50))
    scores[7] = 3.0
    assert np.flatnonzero(stand_out(scores)).tolist() == [7]
    assert not stand_out(scores[:10]).any()


def test_of_copies_one_calibrates_while_all_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = texture_files(tmp_path / "once", COUNT)
    once = fitted(tmp_path, files)
    again = [path.with_suffix(".jpg") for path in files]
    for path, copy in zip(files, again, strict=True):
        Image.open(path).save(copy, quality=95)
    twice = fitted(tmp_path, files + again)
    assert twice.metadata["data"]["images"] == 2 * COUNT
    assert len(twice.calibration.scores) == len(once.calibration.scores) == COUNT
    assert twice.calibration.scores.min() > 0.5 * once.calibration.scores.min(), "a copy would be close"
    (told,) = [message for message in caplog.messages if "taken twice" in message]
    assert told.startswith(f"Of {2 * COUNT} images {COUNT} differ") and told.endswith(f"{COUNT} images.")


@pytest.mark.parametrize("share", [-0.1, 0.5, 2])
def test_a_contamination_is_less_than_half(share: float) -> None:
    with pytest.raises(ConfigError, match="'contamination': input should be"):
        build_config(values={"contamination": share})


def test_a_method_without_a_backbone_refuses_one(tmp_path: Path) -> None:
    config = build_config(values={"method": "sagan", "contamination": 0.1})
    with pytest.raises(ConfigError, match="sagan has no pre-trained backbone to tell odd images by"):
        fit(Dataset("none"), config, tmp_path / "model.safetensors")
