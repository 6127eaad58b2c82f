"""Fitting with differences that are no defects."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import blemish
from blemish.datasets import Dataset
from blemish.datasets.drawn import generate
from blemish.images.changes import brighten, draw
from blemish.images.reading import load_frame
from blemish.inference.detector import Detector
from blemish.models.memory_bank.whitening import Whitening
from blemish.training.batches import split_indices
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.support import BACKBONE, SIZE, texture_dataset


def fit_small(data: Dataset, out: Path, method: str = "rad", **values: Any) -> Detector:
    model, frame = {"backbone": BACKBONE}, {"resize": SIZE, "crop": "none"}
    config = build_config(values={"method": method, "model": model, "frame": frame} | values)
    return fit(data, config, out, weights="random")


def test_brighter_and_darker_good_parts_alarm_less_and_holes_are_still_found(tmp_path: Path) -> None:
    folder = generate(tmp_path / "parts", train=20, test=6, size=64)
    alarms = {}
    for tolerate in (None, "light"):
        detector = blemish.fit(
            folder, tolerate=tolerate, assignments=["frame.resize=64"], false_alarm_rate=0.1
        )
        for kind in ("good", "hole"):
            pictures = [
                load_frame(path, detector.frame) for path in sorted(folder.glob(f"test/{kind}/*.png"))
            ]
            found = [detector.predict(brighten(one, factor)) for one in pictures for factor in (0.8, 1.2)]
            alarms[tolerate, kind] = sum(result.is_anomalous for result in found)
    assert alarms["light", "good"] <= 2 < 4 <= alarms[None, "good"]
    assert alarms["light", "hole"] >= 4


@pytest.mark.parametrize(("word", "tile"), [("light", None), ("light", 32), ("turn", None)])
def test_an_image_is_left_out_together_with_its_changed_versions(
    tmp_path: Path,
    word: str,
    tile: int | None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for the whitening, which learns from all images."""
    monkeypatch.setattr(
        Whitening, "learn", lambda self, patches: self.axes.copy_(torch.eye(*self.axes.shape))
    )
    caplog.set_level(logging.INFO)
    data = texture_dataset(tmp_path / "images", 4)
    values = {"tolerate": word} | ({"frame": {"tile": tile, "overlap": 0}} if tile else {})
    whole = fit_small(data, tmp_path / "whole.safetensors", **values)
    without = fit_small(Dataset("three", data.train[:3]), tmp_path / "without.safetensors", **values)
    rng = np.random.default_rng([0, 3])
    changed = draw(load_frame(data.train[3].path, whole.frame), [word], rng)
    expected = without.predict(changed).score
    assert np.isclose(whole.calibration.scores, expected, rtol=1e-3).sum() == 1
    assert whole.predict(changed).score < 0.9 * expected
    assert ("16 images or fewer: where parts may lie in any direction" in caplog.text) is (word != "turn")


def test_where_images_are_held_out_these_are_changed(tmp_path: Path) -> None:
    data = texture_dataset(tmp_path / "images", 10)
    detector = fit_small(data, tmp_path / "model.safetensors", "patchcore", tolerate="light,place")
    pictures = [load_frame(data.train[index].path, detector.frame) for index in split_indices(10, 0.2, 0)[1]]
    rngs = [np.random.default_rng([0, index]) for index in split_indices(10, 0.2, 0)[1]]
    changed = [draw(one, ["light", "place"], rng) for one, rng in zip(pictures, rngs, strict=True)]
    expected = sorted(detector.predict(picture).score for picture in changed)
    assert detector.calibration.scores.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method", ["rad", "patchcore", "padim", "spade"])
def test_the_model_file_and_the_log_say_what_is_tolerated(
    method: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="blemish")
    data, out = texture_dataset(tmp_path / "images", 5), tmp_path / "model.safetensors"
    assert fit_small(data, out, method).metadata["tolerate"] == []
    assert "tolerated" not in caplog.text.lower()
    detector = fit_small(data, out, method, tolerate="place,light")
    assert (
        "Tolerated: brightness times 0.75 to 1.25, shifts up to 5 % of a side and turns up to 5 degrees; "
        "6 changed versions of each image are learned from too, and each image that calibrates is changed "
        "at random." in caplog.messages
    )
    assert Detector.load(out).metadata == detector.metadata
    assert (detector.metadata["tolerate"], detector.metadata["data"]["images"]) == (["light", "place"], 5)
