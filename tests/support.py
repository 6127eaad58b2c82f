"""Small images, a small model and small runs for the tests of the making half."""

import json
import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from blemish.datasets import Dataset, Sample
from blemish.inference.detector import Detector
from blemish.models.base import Batch, Step, TrainedModel
from blemish.training.config import RunConfig, TrainingConfig, build_config
from blemish.training.fit import fit

BACKBONE = "test_resnet"
SIZE = 64

# Real processes to kill or to train side by side, forked from one that has imported the slow libraries.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["blemish.training.loop", "blemish.training.fit", "blemish.models.gtrans.model", "timm"]
)


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
    """A run of seconds: two epochs of a tiny ResNet on 64 pixels. Values are those of `build_config`."""
    small: dict[str, Any] = {
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


class TinyModel(TrainedModel):
    """A frozen and a trained part; BatchNorm and dropout make exact resuming hard, unless it is plain."""

    def __init__(self, *, plain: bool = False) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.teacher = nn.Conv2d(3, 4, 8, stride=8).requires_grad_(False)
        self.student = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8))
        if not plain:
            self.student.extend([nn.BatchNorm2d(4), nn.Dropout(0.1)])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        batch = Batch(images, self.frozen_features(images))
        return self.validation_loss(batch), images.float().mean(dim=1)

    def frozen_features(self, images: Tensor) -> tuple[Tensor, ...]:
        return (self.teacher(images / 255),)

    def validation_loss(self, batch: Batch) -> Tensor:
        difference = self.student(batch.images / 255) - batch.frozen[0]
        return difference.float().square().mean(dim=(1, 2, 3))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"student": list(self.student.parameters())}

    def training_steps(self, batch: Batch) -> Iterator[Step]:
        yield Step("student", self.validation_loss(batch).mean())


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
