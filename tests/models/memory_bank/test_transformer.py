"""Memory banks on the patch tokens of a Vision Transformer."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blemish.datasets import Dataset, Sample
from blemish.errors import ConfigError
from blemish.inference.detector import Detector
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.models.support import TRAINING_FREE
from tests.support import textures

VIT = "test_vit"
MODEL: dict[str, dict[str, Any]] = {"padim": {"channels": 10}, "rad": {"memory": 20}}


@pytest.fixture(scope="module")
def oblong(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Images of 64 x 48 pixels."""
    folder = tmp_path_factory.mktemp("oblong")
    paths = [folder / f"{number}.png" for number in range(8)]
    for path, image in zip(paths, textures(8), strict=True):
        Image.fromarray(image[:48]).save(path)
    return Dataset("oblong", train=[Sample(path, label=0) for path in paths])


def fitted(method: str, data: Dataset, out: Path, **fields: Any) -> Detector:
    model = {"backbone": VIT} | MODEL.get(method, {}) | fields
    config = build_config(values={"method": method, "model": model, "frame": {"resize": 64, "crop": "none"}})
    return fit(data, config, out, weights="random")


@pytest.mark.parametrize("method", TRAINING_FREE)
def test_a_fitted_model_is_saved_and_judges_alike(
    method: str, oblong: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "model.safetensors"
    detector = fitted(method, oblong, file)
    assert caplog.text.count("The features are those of blocks 2, 3, 5, 6; model.layers has others.") == 1
    loaded = Detector.load(file)
    assert loaded.metadata["config"]["layers"] == [2, 3, 5, 6]
    assert loaded.frame.shape == (48, 80), "multiples of 16, where convolutional networks take those of 32"
    image = textures(1, seed=5)[0][:48]
    one, same = detector.predict(image), loaded.predict(image)
    assert one.score == same.score > 0 and np.array_equal(one.anomaly_map, same.anomaly_map)


def test_named_blocks_are_taken(oblong: Dataset, tmp_path: Path) -> None:
    detector = fitted("rad", oblong, tmp_path / "model.safetensors", layers=[4])
    engine: Any = detector.engine
    assert len(engine.model.features.backbone.network.blocks) == 4
    assert engine.model.gallery.shape == (8, 8, 65), "every other of 3 x 5 positions"


def test_each_image_calibrates_while_it_is_left_out(oblong: Dataset, tmp_path: Path) -> None:
    detector = fitted("rad", oblong, tmp_path / "model.safetensors")
    model: Any = detector.engine.model  # type: ignore[attr-defined]
    known = [detector.predict(sample.path).score for sample in oblong.train]
    left_out = []
    for row, sample in enumerate(oblong.train):
        model.leave_out(np.array([row]))
        left_out.append(detector.predict(sample.path).score)
    assert detector.calibration.scores == pytest.approx(sorted(left_out), rel=1e-5)
    assert all(one > other for one, other in zip(left_out, known, strict=True))


def test_what_compares_maps_of_several_sizes_refuses_it(oblong: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gtrans compares maps of several sizes, and test_vit has but one"):
        fitted("gtrans", oblong, tmp_path / "model.safetensors")
