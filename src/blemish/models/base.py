"""What every model is to the training loop, the model file and the exporters."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


class Batch(NamedTuple):
    """One batch of training or validation data.

    Attributes:
        images: uint8 [B, 3, S, S], RGB.
        frozen: what `AnomalyModel.frozen_features` gives for these images, perhaps from a cache.
    """

    images: Tensor
    frozen: tuple[Tensor, ...]


class Update(NamedTuple):
    """One optimisation step of a batch: the parameters it changes and the scalar loss it minimises."""

    name: str
    parameters: list[nn.Parameter]
    loss: Callable[[Batch], Tensor]


class AnomalyModel(nn.Module):
    """Base of all models. A subclass takes its config as the only constructor argument.

    `forward` is the single way to score an image: evaluation, prediction and every export run it.
    """

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Score images.

        Args:
            images: uint8 [B, 3, S, S], RGB.

        Returns:
            score float32 [B] and anomaly map float32 [B, S, S]; higher is more anomalous, on the raw
            scale; each image's values are independent of the other images in the batch.
        """
        raise NotImplementedError

    def updates(self) -> list[Update]:
        """The ordered optimisation steps of one batch, one optimiser each."""
        raise NotImplementedError

    def validation_loss(self, batch: Batch) -> Tensor:
        """What selection minimises on held-out normal images: float32 [B], one loss per image."""
        raise NotImplementedError

    def frozen_features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Per-image quantities that training never changes, each [B, ...]; the loop may cache them."""
        return ()

    def load_teacher(self, weights: dict[str, Tensor]) -> None:
        """Fill the pre-trained part with ImageNet weights."""
        raise NotImplementedError


def images_to_tensor(images: np.ndarray) -> Tensor:
    """uint8 array [B, S, S, 3] to uint8 tensor [B, 3, S, S] in channels-last memory, without a copy."""
    return torch.as_tensor(images).permute(0, 3, 1, 2)
