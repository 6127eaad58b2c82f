"""What every model is to the training loop, the model file and the exporters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


class Batch(NamedTuple):
    """One batch of training or validation data.

    Attributes:
        images: uint8 [B, 3, H, W], RGB.
        frozen: what `TrainedModel.frozen_features` gives for these images, perhaps from a cache.
    """

    images: Tensor
    frozen: tuple[Tensor, ...]


class Step(NamedTuple):
    """One optimisation step.

    Attributes:
        group: whose parameters it changes, a key of `TrainedModel.parameter_groups`.
        loss: the scalar that it minimises.
        parts: further scalars for the log.
    """

    group: str
    loss: Tensor
    parts: Mapping[str, Tensor] = MappingProxyType({})


class Explanation(NamedTuple):
    """What a reconstruction model shows of its judgement.

    Attributes:
        reconstruction: uint8 [B, 3, H, W], RGB: the images as the model redraws them.
        attention: float32 [B, H, W] in [0, 1], per image: where the features lie that raise the score
            (Grad-CAM).
    """

    reconstruction: Tensor
    attention: Tensor


class AnomalyModel(nn.Module):
    """Base of all models; a method's model is a `TrainedModel` or a `TrainingFreeModel`.

    A subclass is made from its config and the height and width of its images in pixels. `forward` is the
    single way to score an image: evaluation, prediction and every export run it.
    """

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Score images.

        Args:
            images: uint8 [B, 3, H, W], RGB.

        Returns:
            score float32 [B] and anomaly map float32 [B, H, W]; higher is more anomalous, on the raw
            scale; each image's values are independent of the other images in the batch.
        """
        raise NotImplementedError

    def resize_state(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Give the buffers that learning sizes the size that a model file's have.

        Args:
            shapes: of all tensors in the file; only the sizes that learning decides are taken from it.

        Raises:
            ValueError: no fit with this config gives such a size.
        """

    def load_teacher(self, weights: dict[str, Tensor]) -> None:
        """Fill the pre-trained part with ImageNet weights; only asked of models with a backbone."""
        raise NotImplementedError

    def explain(self, images: Tensor) -> Explanation | None:
        """Pictures for people, of images as in `forward`; None for models that reconstruct nothing."""
        return None


class TrainedModel(AnomalyModel):
    """A model whose parameters the training loop changes, epoch by epoch.

    Attributes:
        least_batch: how many images a training batch needs.
    """

    least_batch = 1

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameters that training changes; each group has an optimiser of its own."""
        raise NotImplementedError

    def training_steps(self, batch: Batch) -> Iterator[Step]:
        """The ordered optimisation steps of one batch.

        Each is made before the next one is asked for, so that later losses see the changed parameters.
        """
        raise NotImplementedError

    def after_batch(self, losses: dict[str, float]) -> str:
        """Told the losses of each batch, the model may mend itself.

        Args:
            losses: by group, and the parts that the steps gave; the means of all processes.

        Returns:
            What shows that training has degenerated, as the middle of a sentence; "" while it is healthy.
        """
        return ""

    def validation_loss(self, batch: Batch) -> Tensor:
        """What selection minimises on held-out normal images: float32 [B], one loss per image."""
        raise NotImplementedError

    def frozen_features(self, images: Tensor) -> tuple[Tensor, ...]:
        """Per-image quantities that training never changes, each [B, ...]; the loop may cache them."""
        return ()

    def after_training(self, batches: Callable[[], Iterator[Tensor]], learned: np.ndarray, seed: int) -> None:
        """Shown all good images again, with the final weights; a model may fill buffers. It is in eval mode.

        Args:
            batches, seed: as of `TrainingFreeModel.learn`.
            learned: bool [N], which images it learned from. The others calibrate: what it takes from them
                `leave_out` must take back, where `ModelConfig.remembers_all`.
        """

    def leave_out(self, rows: np.ndarray) -> None:
        """See `TrainingFreeModel.leave_out`; only where `ModelConfig.remembers_all`."""
        raise NotImplementedError

    def remark(self, learned: np.ndarray, held_out: np.ndarray, validation_loss: float) -> str:
        """What the user should know of a finished training, as a sentence, or "".

        Args:
            learned, held_out: uint8 [N, H, W, 3] images.
            validation_loss: mean over the held-out ones.
        """
        return ""


class TrainingFreeModel(AnomalyModel):
    """A model that looks at the good images once and remembers; it has no parameter that is trained.

    What it remembers lies in buffers, which are empty until `learn` or a model file fills them.
    """

    def learn(self, batches: Callable[[], Iterator[Tensor]], count: int, seed: int) -> None:
        """Fill the buffers from good images.

        Args:
            batches: each call goes once through the images, uint8 [B, 3, H, W] on the model's device, always
                in the same order.
            count: how many images that are, at least 1.
            seed: of everything random; the same images and seed give the same buffers.
        """
        raise NotImplementedError

    def leave_out(self, rows: np.ndarray) -> None:
        """Score from now on as if these rows of the images had not been learned from, int64; none: all were.

        Only right after `learn`, and of methods whose configuration has `leave_one_out`.
        """
        raise NotImplementedError


def images_to_tensor(images: np.ndarray) -> Tensor:
    """uint8 array [B, H, W, 3] to uint8 tensor [B, 3, H, W] in channels-last memory, without a copy."""
    return torch.as_tensor(images).permute(0, 3, 1, 2)
