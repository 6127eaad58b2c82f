"""What the caller has set in PyTorch, and where random generators stand, neither matters nor changes."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from blemish.inference.detector import Detector
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.models.support import FIELDS, SIZE, TRAINED
from tests.support import same_tensors, texture_dataset


@contextmanager
def unusual_settings() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16), torch.device("meta"):
            yield
            assert torch.is_inference_mode_enabled() and torch.is_autocast_enabled("cpu")
            assert torch.get_default_device().type == "meta"
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def seed_everything() -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)


def next_random_numbers() -> list[float]:
    return [random.random(), np.random.rand(), torch.rand((), device="cpu").item()]  # noqa: NPY002


def fit_in(folder: Path, method: str) -> Path:
    training = {"epochs": 1, "batch_size": 4, "precision": "fp32"} if method in TRAINED else {}
    model, frame = FIELDS.get(method, {}), {"resize": SIZE, "crop": "none"}
    config = build_config(values={"method": method, "model": model, "training": training, "frame": frame})
    out = folder / "model.safetensors"
    weights = "random" if hasattr(config.model, "backbone") else None
    fit(texture_dataset(folder / "images", 6), config, out, weights=weights)
    return out


@pytest.mark.parametrize("method", ["gtrans", "anotrans", "ganomaly", "padim", "patchcore", "spade"])
def test_a_model_is_fitted_and_scores_as_ever(method: str, tmp_path: Path) -> None:
    usual = fit_in(tmp_path / "usual", method)
    image = tmp_path / "usual" / "images" / "000.png"
    (expected,) = Detector.load(usual).predict_many([image], explain=True)
    seed_everything()
    numbers = next_random_numbers()
    seed_everything()
    with unusual_settings():
        other = fit_in(tmp_path / "other", method)
    assert next_random_numbers() == numbers
    assert same_tensors(load_file(usual), load_file(other))
    with unusual_settings():
        detector = Detector.load(other)
        same = detector.predict(image)
        pictures = detector.engine.explain(expected.image[None])
    assert same.score == expected.score
    assert (pictures is None) == (expected.reconstruction is None)
    (again,) = detector.predict_many([image], explain=True)
    assert again.score == expected.score
