"""Every method, small."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import timm
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor, nn

from blemish.models.base import TrainedModel, TrainingFreeModel
from blemish.models.registry import METHODS, config_class, model_class
from tests.support import BACKBONE

SIZE = 32
FIELDS: dict[str, dict[str, Any]] = {
    "gtrans": {"backbone": BACKBONE, "tokens": 3, "token_dim": 16},
    "anotrans": {"channels": 16, "heads": 2},
    "patchcore": {"backbone": BACKBONE, "coreset": 1.0},
    "padim": {"backbone": BACKBONE, "channels": 10},
    "rad": {"backbone": BACKBONE, "memory": 20},
    "spade": {"backbone": BACKBONE},
}
TRAINED = [name for name in METHODS if issubclass(model_class(name), TrainedModel)]
TRAINING_FREE = [name for name in METHODS if issubclass(model_class(name), TrainingFreeModel)]


def build(method: str, size: int = SIZE, **fields: Any) -> Any:
    """A model with its initial weights, in train mode."""
    torch.manual_seed(0)
    return model_class(method)(config_class(method)(**FIELDS.get(method, {}) | fields), (size, size))


def learn(model: TrainingFreeModel, images: Tensor, *, batch_size: int = 4, seed: int = 0) -> None:
    """Let a training-free model look at images uint8 [N, 3, S, S]."""

    def batches() -> Iterator[Tensor]:
        yield from images.split(batch_size)

    model.eval().learn(batches, len(images), seed)


def scrambled(module: nn.Module) -> Any:
    """With random weights everywhere, so that no influence is too small to be seen and none is symmetric."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.eval()


def random_images(count: int, seed: int) -> Tensor:
    """Noise, uint8 [count, 3, SIZE, SIZE]."""
    return torch.randint(0, 256, (count, 3, SIZE, SIZE), generator=torch.manual_seed(seed)).to(torch.uint8)


def whole_classifier() -> dict[str, Tensor]:
    """Weights of the backbone with the last stage and the head that a teacher does without."""
    torch.manual_seed(5)
    return {name: value.contiguous() for name, value in timm.create_model(BACKBONE).state_dict().items()}


def literal_resize(image: np.ndarray, size: int) -> np.ndarray:
    """Bilinear between pixel centres (align_corners false)."""
    centres = (np.arange(size) + 0.5) * len(image) / size - 0.5
    grid = np.meshgrid(centres, centres, indexing="ij")
    return np.asarray(map_coordinates(image, grid, order=1, mode="nearest"))
