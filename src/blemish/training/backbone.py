"""The backbone of a run: where its weights are, and what it makes of the configuration."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blemish.errors import ConfigError
from blemish.images.frame import Shape
from blemish.models.memory_bank.config import TrainingFreeConfig
from blemish.models.registry import model_class
from blemish.models.weights import RANDOM, WeightsSource, find_weights, read_weights
from blemish.training.config import RunConfig

if TYPE_CHECKING:
    from blemish.models.base import AnomalyModel

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


def build_model(config: RunConfig, source: WeightsSource | None) -> "tuple[AnomalyModel, str]":
    """The model with its teacher's weights, and where these came from; "" for a method without."""
    import torch

    torch.manual_seed(config.training.seed)
    model = model_class(config.method)(config.model, config.frame.shape)
    if source:
        model.load_teacher(read_weights(source))
        return model, source.description
    if not hasattr(config.model, "backbone"):
        return model, ""
    teacher = "random weights: for tests only, detects nothing"
    log.warning(f"The teacher has {teacher}.")
    return model, teacher
