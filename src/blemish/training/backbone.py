"""The backbone of a run: where its weights are, and what it makes of the configuration."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from blemish.errors import ConfigError
from blemish.images.frame import Shape
from blemish.models.memory_bank.config import TrainingFreeConfig
from blemish.models.weights import RANDOM, WeightsSource, find_weights
from blemish.training.config import RunConfig

log = logging.getLogger(__name__)


def find_teacher(config: RunConfig, weights: str | Path | None) -> WeightsSource | None:
    """The weights of the backbone; None where there is nothing to load.

    Raises:
        BlemishError: see `blemish.models.weights.find_weights`.
    """
    model: Any = config.model
    if not hasattr(model, "backbone") or weights == RANDOM:
        return None
    return find_weights(model.backbone, weights)


def suited_to_backbone(config: RunConfig, shapes: Iterable[Shape]) -> RunConfig:
    """The run with a frame and layers that its network can take.

    Args:
        shapes: height and width of the good images, for `RunConfig.for_images`.

    Raises:
        ConfigError: the backbone does not go with the method, the layers or the frame.
    """
    model: Any = config.model
    if not hasattr(model, "backbone"):
        return config.for_images(shapes)
    from blemish.models.backbones import check_image_size, default_blocks, side_step

    blocks = default_blocks(model.backbone)
    if blocks and not isinstance(model, TrainingFreeConfig):
        raise ConfigError(
            f"{config.method} compares maps of several sizes, and {model.backbone} has but one; choose a "
            "convolutional backbone, or a method that needs no training, such as rad."
        )
    if blocks and "layers" not in model.model_fields_set:
        model = model.model_copy(update={"layers": blocks})
        log.info(f"The features are those of blocks {', '.join(map(str, blocks))}; model.layers has others.")
    suited = config.model_copy(update={"model": model}).for_images(shapes, side_step(model.backbone))
    check_image_size(model.backbone, model.layers, suited.frame.shape)
    return suited
