"""timm networks as feature extractors of a few levels."""

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import cache
from typing import Any, Self

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from blemish.errors import ConfigError, WeightsError, explained
from blemish.images.frame import STEP, Shape
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

    def __init__(self, network: Any, channels: list[int]) -> None:
        super().__init__()
        self.network, self.channels = network, channels
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


class TransformerExtractor(FeatureExtractor):
    """A plain Vision Transformer cut off after its last wanted block.

    Its levels are the patch tokens of blocks, all of one size: class and register tokens are left out, the
    network's final LayerNorm is applied to each block, and each token is scaled to a mean square of 1, so
    that distances go by the cosine, as in RAD (arXiv 2601.22763) and AnomalyDINO (arXiv 2405.14529).

    Args:
        blocks: ascending, the first is 1.
    """

    def __init__(self, network: Any, blocks: tuple[int, ...]) -> None:
        super().__init__(network, [network.num_features] * len(blocks))
        self.indices = [block - 1 for block in blocks]
        network.prune_intermediate_layers(self.indices, prune_norm=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised [B, 3, H, W] to one [B, c, H / p, W / p] per block, p being the side of a patch."""
        maps = self.network.forward_intermediates(
            images, indices=self.indices, norm=True, intermediates_only=True
        )
        return [functional.normalize(f, dim=1) * f.shape[1] ** 0.5 for f in maps]

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """See `FeatureExtractor.load_weights`; also of the authors' own files, as timm converts them."""
        unfit = "The weights are not those of this very backbone"
        with (
            explained(WeightsError, lambda why: f"{unfit} ({why}); give such."),
            redirect_stdout(None),  # timm prints of biases that DINOv3 has and does not use
        ):
            convert = importlib.import_module(type(self.network).__module__).checkpoint_filter_fn
            converted = convert({_unwrapped(key): value for key, value in weights.items()}, self.network)
        super().load_weights(converted)


def _unwrapped(key: str) -> str:
    while key.startswith(WRAPPERS):
        key = key.partition(".")[2]
    return key


def _canonical(key: str) -> str:
    """A name that a timm model, its wrappers and its feature extractor share; it joins levels by '_'."""
    return _unwrapped(key).replace("_", ".")


def create_backbone(name: str, layers: tuple[int, ...], shape: Shape | None = None) -> FeatureExtractor:
    """Build an untrained backbone.

    Args:
        name: an alias ("resnet34") or any timm model with feature maps.
        layers: ascending levels, level l being the map at stride 2^(l+1): 1 is layer1 of a ResNet. Of a plain
            Vision Transformer they are blocks, the first being 1.
        shape: height and width of the images. A Vision Transformer has a position for each of their patches,
            and takes no others; None is what it was trained on.

    Raises:
        ConfigError: timm knows no such model, or it has no map at one of the strides, or no such block.
    """
    strides = _strides(name)
    model = ALIASES.get(name, name)
    if _is_plain(strides):
        if layers[-1] > len(strides):
            raise ConfigError(f"Backbone {name!r} has blocks 1 to {len(strides)}, not all of {list(layers)}.")
        return TransformerExtractor(_create_transformer(model, shape), layers)
    with _feature_maps_of(name):
        strides = _create(model).feature_info.reduction()
        wanted = [2 ** (layer + 1) for layer in layers]
        if not set(wanted) <= set(strides):
            levels = [level for level in range(1, 6) if 2 ** (level + 1) in strides]
            raise ConfigError(f"Backbone {name!r} has levels {levels}, not all of {list(layers)}.")
        network = _create(model, out_indices=[strides.index(stride) for stride in wanted])
    if hasattr(network, "_stage_out_idx"):  # timm's EfficientNets would run and keep the stages behind
        network.blocks = network.blocks[: max(network._stage_out_idx)]
    return FeatureExtractor(network, network.feature_info.channels())


def default_blocks(name: str) -> tuple[int, ...] | None:
    """The layers of a plain Vision Transformer where the user names none; None for other backbones.

    Blocks 4, 7, 10 and 12 of 12, as in RAD's published code, and in proportion of more or fewer.

    Raises:
        ConfigError: see `create_backbone`.
    """
    strides = _strides(name)
    if not _is_plain(strides):
        return None
    return tuple(sorted({max(1, len(strides) * block // 12) for block in (4, 7, 10, 12)}))


def side_step(name: str) -> int:
    """What the sides of images are multiples of: a plain Vision Transformer's patch, or `STEP`.

    Raises:
        ConfigError: see `create_backbone`.
    """
    strides = _strides(name)
    return strides[0] if _is_plain(strides) else STEP


@cache
def _strides(name: str) -> tuple[int, ...]:
    """In pixels, of all levels; of all blocks of a transformer."""
    check_backbone(name)
    logging.getLogger("timm").setLevel(logging.ERROR)
    with _feature_maps_of(name), torch.device("meta"):
        network: Any = timm.create_model(ALIASES.get(name, name), features_only=True)
        return tuple(level["reduction"] for level in network.feature_info.info)


def _is_plain(strides: tuple[int, ...]) -> bool:
    """Whether no level is coarser than another: so it is in Vision Transformers without a pyramid."""
    return len(strides) > 1 and len(set(strides)) == 1


@contextmanager
def _feature_maps_of(name: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, AttributeError, TypeError, ValueError, AssertionError) as error:
        raise ConfigError(
            f"Backbone {name!r} gives no feature maps; choose a convolutional one, or a Vision Transformer."
        ) from error


@usual_settings()
def check_image_size(name: str, layers: tuple[int, ...], shape: Shape) -> None:
    """Refuse images that a backbone cannot take: some have windows or positions of fixed sizes.

    Raises:
        ConfigError: with the nearest sizes that it takes; or see `create_backbone`.
    """
    with torch.device("meta"):  # computes shapes and nothing else
        backbone = create_backbone(name, layers, shape).eval()
    if isinstance(backbone, TransformerExtractor):
        patch = side_step(name)
        below = shape[1] // patch * patch
        sides = [below, below + patch] if any(side % patch for side in shape) else []
    elif _takes(backbone, shape):
        return
    else:
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


def _create_transformer(model: str, shape: Shape | None) -> Any:
    options: dict[str, Any] = {"img_size": shape} if shape else {}
    with suppress(TypeError):  # a few relatives have no such option
        return timm.create_model(model, num_classes=0, **options)
    return timm.create_model(model, num_classes=0)


class FrozenBackbone(nn.Module):
    """A backbone that never changes; its weights are random until a teacher's or a model file's fill them.

    It stays in eval mode whatever mode its parent is in, so that its BatchNorm statistics stay ImageNet's.
    """

    def __init__(self, name: str, layers: tuple[int, ...], shape: Shape | None = None) -> None:
        super().__init__()
        self.backbone = create_backbone(name, layers, shape)
        self.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        return super().train(False)
