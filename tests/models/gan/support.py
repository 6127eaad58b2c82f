"""The reconstructing GANs, small, and what the tests of several of their sides need."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from blemish.models.base import Batch, Step, images_to_tensor
from blemish.models.gan.base import to_unit_range
from blemish.training import loop
from blemish.training.config import TrainingConfig
from tests.models.support import FIELDS, SIZE, build
from tests.support import textures

METHODS = ("anotrans", "ganomaly", "sagan", "skip_ganomaly")
LATENT = ("anotrans", "sagan", "skip_ganomaly")
CHANNELS = FIELDS["anotrans"]["channels"]
every_method = pytest.mark.parametrize("method", METHODS)
every_latent_method = pytest.mark.parametrize("method", LATENT)


def seen(method: str, **fields: Any) -> Any:
    """A model in eval mode that tells images apart, with running statistics of others."""
    model = build(method, **fields)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, std=0.08)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of the last batch
    images = to_unit_range(make_images(4, seed=7))
    with torch.no_grad():
        model.discriminator(model.redraw(images).images)
    return model.eval()


def make_images(count: int = 4, seed: int = 0) -> Tensor:
    """Textures as a model takes them, uint8 [count, 3, SIZE, SIZE]."""
    return images_to_tensor(textures(count, seed, SIZE))


def unit_images(count: int, size: int = SIZE) -> Tensor:
    """Noise as a network takes it, float32 [count, 3, size, size] in [-1, 1]."""
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def take_steps(model: Any, images: Tensor) -> list[Step]:
    """All steps of one batch, each made with Adam before the next is asked for."""
    adams = {name: torch.optim.Adam(group, 1e-3) for name, group in model.parameter_groups().items()}
    steps = []
    for step in model.training_steps(Batch(images, ())):
        parameters = model.parameter_groups()[step.group]
        adams[step.group].zero_grad()
        step.loss.backward(inputs=parameters)
        adams[step.group].step()
        steps.append(step)
    return steps


def train(model: Any, folder: Path, config: TrainingConfig, count: int) -> Path:
    """Learn from `count` images, with one more held out; the log."""
    log = folder / "log.jsonl"
    loop.train(
        model,
        textures(count + 1, size=SIZE),
        np.arange(count),
        np.arange(count, count + 1),
        config,
        checkpoint=folder / "c",
        log=log,
        fingerprint="f",
    )
    return log


def values(tensor: Tensor) -> np.ndarray:
    """As float64, for literal computations."""
    return tensor.detach().numpy().astype(np.float64)
