"""Small images, a small model and small runs for the tests of the making half."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from blemish.datasets import Dataset, Sample
from blemish.inference.detector import Detector
from blemish.training.config import RunConfig, TrainingConfig, build_config
from blemish.training.fit import fit

BACKBONE = "test_resnet"
SIZE = 64


def textures(count: int, seed: int = 0, size: int = SIZE) -> np.ndarray:
    """Soft random patterns, uint8 [count, size, size, 3]."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 200, (count, size // 8, size // 8, 3)).astype(np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2) + rng.integers(0, 20, (count, size, size, 3), np.uint8)


def texture_files(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """The same, as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:03}.png" for number in range(count)]
    for path, image in zip(paths, textures(count, seed), strict=True):
        Image.fromarray(image).save(path)
    return paths


def texture_dataset(folder: Path, count: int, seed: int = 0) -> Dataset:
    return Dataset("textures", train=[Sample(path, label=0) for path in texture_files(folder, count, seed)])


def small_config(**values: Any) -> RunConfig:
    """GTrans in seconds: two epochs of a tiny ResNet on 64 pixels. Values are those of `build_config`."""
    small: dict[str, Any] = {
        "method": "gtrans",
        "preset": "improved",
        "model": {"backbone": BACKBONE, "tokens": 3, "token_dim": 16},
        "frame": {"resize": SIZE, "crop": SIZE},
        "training": {"epochs": 2, "batch_size": 4, "precision": "fp32"},
    }
    for name, value in values.items():
        small[name] = small[name] | value if name in small else value
    return build_config(values=small)


def small_fit(folder: Path, *, count: int = 8, seed: int = 0, **values: Any) -> tuple[Detector, Path]:
    """A fitted detector with an untrained teacher, and its model file."""
    out = folder / "model.safetensors"
    dataset = texture_dataset(folder / "images", count, seed)
    return fit(dataset, small_config(**values), out, weights="random"), out


def count_parameters(module: nn.Module) -> int:
    """Number of parameters, frozen ones included."""
    return sum(parameter.numel() for parameter in module.parameters())


def tiny_training(**fields: Any) -> TrainingConfig:
    small = {"epochs": 3, "batch_size": 4, "learning_rate": 0.01, "precision": "fp32"}
    return TrainingConfig.model_validate(small | fields)


def same_tensors(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def log_lines(path: Path) -> list[dict[str, Any]]:
    """A training log's lines about epochs (it has others about batches), without their seconds."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        {key: value for key, value in line.items() if key != "seconds"} for line in lines if "epoch" in line
    ]
