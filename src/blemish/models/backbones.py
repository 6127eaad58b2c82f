"""timm networks as feature extractors of a few levels."""

import logging
from contextlib import suppress
from typing import Any, Self

import timm
import torch
from torch import Tensor, nn

from blemish.errors import ConfigError, WeightsError
from blemish.images.frame import Shape
from blemish.models.settings import usual_settings
from blemish.models.weights import ALIASES, check_backbone

WRAPPERS = ("module.", "model.", "_orig_mod.")  # of several GPUs, of trainers, of compilation


class FeatureExtractor(nn.Module):
    """A timm network cut off after its last wanted level, with its own input normalisation.

    Attributes:
        channels: c_l, one per level.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.channels: list[int] = network.feature_info.channels()
        self.channels_first = getattr(network, "output_fmt", "NCHW") == "NCHW"
        of_training = network.pretrained_cfg
        mean, std = torch.tensor([of_training["mean"], of_training["std"]], dtype=torch.float32)
        self.register_buffer("scale", (1 / (255 * std)).reshape(1, 3, 1, 1))
        self.register_buffer("shift", (-mean / std).reshape(1, 3, 1, 1))

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 [B, 3, H, W] to float32 by the mean and standard deviation the backbone was trained with."""
        return images.float() * self.scale + self.shift

    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised [B, 3, H, W] to one [B, c_l, H / 2^(l+1), W / 2^(l+1)] per level l."""
        maps = self.network(images)
        return list(maps) if self.channels_first else [f.permute(0, 3, 1, 2) for f in maps]

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Load a state dict of the whole timm model or of its first stages.

        Raises:
            WeightsError: a tensor is missing or has another shape.
        """
        given = {_canonical(key): value for key, value in weights.items()}
        own = self.network.state_dict()
        for key, tensor in own.items():
            value = given.get(_canonical(key))
            if value is None:
                if key.endswith("num_batches_tracked"):
                    continue
                raise WeightsError(f"The weights lack {key!r}; give weights of this very backbone.")
            if value.shape != tensor.shape:
                raise WeightsError(
                    f"The weights hold {key!r} as {tuple(value.shape)} where the backbone has "
                    f"{tuple(tensor.shape)}; give weights of this very backbone."
                )
            own[key] = value
        self.network.load_state_dict(own)


def _canonical(key: str) -> str:
    """A name that a timm model, its wrappers and its feature extractor share; it joins levels by '_'."""
    while key.startswith(WRAPPERS):
        key = key.partition(".")[2]
    return key.replace("_", ".")


def create_backbone(name: str, layers: tuple[int, ...]) -> FeatureExtractor:
    """Build an untrained backbone.

    Args:
        name: an alias ("resnet34") or any timm model with feature maps.
        layers: ascending levels, level l being the map at stride 2^(l+1): 1 is layer1 of a ResNet.

    Raises:
        ConfigError: timm knows no such model, or it has no map at one of the strides.
    """
    check_backbone(name)
    model = ALIASES.get(name, name)
    logging.getLogger("timm").setLevel(logging.ERROR)
    try:
        strides = _create(model).feature_info.reduction()
        wanted = [2 ** (layer + 1) for layer in layers]
        if not set(wanted) <= set(strides):
            levels = [level for level in range(1, 6) if 2 ** (level + 1) in strides]
            raise ConfigError(f"Backbone {name!r} has levels {levels}, not all of {list(layers)}.")
        network = _create(model, out_indices=[strides.index(stride) for stride in wanted])
    except (RuntimeError, AttributeError, TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"Backbone {name!r} gives no feature maps; choose a convolutional one.") from error
    if hasattr(network, "_stage_out_idx"):  # timm's EfficientNets would run and keep the stages behind
        network.blocks = network.blocks[: max(network._stage_out_idx)]
    return FeatureExtractor(network)


@usual_settings()
def check_image_size(name: str, layers: tuple[int, ...], shape: Shape) -> None:
    """Refuse images that a backbone cannot take: some have windows or positions of fixed sizes.

    Raises:
        ConfigError: with the nearest sizes that it takes; or see `create_backbone`.
    """
    with torch.device("meta"):  # computes shapes and nothing else
        backbone = create_backbone(name, layers).eval()
    if _takes(backbone, shape):
        return
    trained_on = backbone.network.pretrained_cfg["input_size"][-1]
    sides = [side for side in {trained_on, *range(32, 513, 32)} if _takes(backbone, (side, side))]
    if sides:  # else it cannot be told without computing
        nearest = sorted(sorted(sides, key=lambda side: abs(side - shape[1]))[:2])
        raise ConfigError(
            f"Backbone {name!r} cannot take images of {shape[1]} x {shape[0]} pixels; set frame.resize and "
            f"frame.crop, or frame.tile, to {' or '.join(map(str, nearest))}."
        )


@torch.no_grad()
def _takes(backbone: FeatureExtractor, shape: Shape) -> bool:
    try:
        backbone(torch.zeros(1, 3, *shape, device="meta"))
    except (AssertionError, RuntimeError, ValueError, TypeError, IndexError, ZeroDivisionError):
        return False
    return True


def _create(model: str, **options: Any) -> Any:
    if "resne" in model:
        # ResNets start with their last BatchNorm weights at 1, as torchvision's do, not at timm's 0
        with suppress(TypeError):  # a few relatives have no such option
            return timm.create_model(model, features_only=True, zero_init_last=False, **options)
    return timm.create_model(model, features_only=True, **options)


class FrozenBackbone(nn.Module):
    """A backbone that never changes; its weights are random until a teacher's or a model file's fill them.

    It stays in eval mode whatever mode its parent is in, so that its BatchNorm statistics stay ImageNet's.
    """

    def __init__(self, name: str, layers: tuple[int, ...]) -> None:
        super().__init__()
        self.backbone = create_backbone(name, layers)
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        return super().train(False)
