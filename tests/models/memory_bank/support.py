"""Training-free methods that have looked at textures, and their maps computed literally."""

from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from blemish.models.base import images_to_tensor
from blemish.models.memory_bank.features import positions_first
from tests.models.support import build, learn, literal_resize
from tests.support import BACKBONE, SIZE, textures


def built(method: str, **fields: Any) -> Any:
    return build(method, SIZE, **({"backbone": BACKBONE} | fields)).eval()


def learned(method: str, count: int, *, batch_size: int = 4, seed: int = 0, **fields: Any) -> Any:
    """A model that has looked at `count` textures."""
    model = built(method, **fields)
    learn(model, images(count), batch_size=batch_size, seed=seed)
    return model


def images(count: int, seed: int = 0) -> Tensor:
    return images_to_tensor(textures(count, seed))


def patches_of(model: Any, given: Tensor) -> np.ndarray:
    """The features at all positions, float64 [B, P, C]."""
    with torch.inference_mode():
        return positions_first(model.features(given)).double().numpy()


def literal_map(distances: np.ndarray) -> np.ndarray:
    """The smoothed map of one image's distances [P] at a square of positions."""
    side = int(len(distances) ** 0.5)
    return np.asarray(gaussian_filter(literal_resize(distances.reshape(side, side), SIZE), 4))
