"""Patch features of a frozen backbone, their nearest neighbours, and what becomes of the distances."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from blemish.images.frame import Shape
from blemish.models.backbones import FrozenBackbone, TransformerExtractor
from blemish.models.base import TrainingFreeModel
from blemish.models.memory_bank.config import TrainingFreeConfig
from blemish.models.smoothing import smooth

BLOCK = 1024  # candidates that all queries are compared with at once


class PatchFeatures(FrozenBackbone):
    """A frozen pre-trained network whose levels are put side by side at the first level's size.

    Args:
        pooled: average each level over 3 x 3 positions first (PatchCore section 3.1: locally aware features);
            not of a Vision Transformer, whose tokens know of each other.

    Attributes:
        channels: C, of all levels together.
    """

    def __init__(
        self, backbone: str, layers: tuple[int, ...], shape: Shape | None = None, *, pooled: bool
    ) -> None:
        super().__init__(backbone, layers, shape)
        self.channels = sum(self.backbone.channels)
        self.pooled = pooled and not isinstance(self.backbone, TransformerExtractor)

    def levels(self, images: Tensor) -> list[Tensor]:
        """uint8 images [B, 3, H, W] to one float32 [B, c_l, h_l, w_l] per level."""
        return self.averaged(self.backbone(self.backbone.normalise(images)))

    def averaged(self, levels: list[Tensor]) -> list[Tensor]:
        """The backbone's levels, each averaged over 3 x 3 positions if `pooled`."""
        if not self.pooled:
            return levels
        return [functional.avg_pool2d(level, 3, stride=1, padding=1) for level in levels]

    @torch.no_grad()
    def size(self, image_shape: Shape) -> Shape:
        """h and w of the features, for images of this height and width."""
        height, width = self(torch.zeros(1, 3, *image_shape, device=self.backbone.scale.device)).shape[2:]
        return height, width

    def positions(self, image_shape: Shape) -> int:
        """P = h w, for images of this height and width."""
        height, width = self.size(image_shape)
        return height * width

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images [B, 3, H, W] to float32 [B, C, h, w]; coarser levels are enlarged bilinearly."""
        return side_by_side(self.levels(images))


class MemoryBank(TrainingFreeModel):
    """Base of the methods that remember features of good images and measure distances to them."""

    def __init__(self, config: TrainingFreeConfig, image_shape: Shape, *, pooled: bool) -> None:
        super().__init__()
        self.config, self.image_shape = config, image_shape
        self.features = PatchFeatures(config.backbone, config.layers, image_shape, pooled=pooled)

    def load_teacher(self, weights: dict[str, Tensor]) -> None:
        """Fill the backbone with ImageNet weights, in its own key names."""
        self.features.backbone.load_weights(weights)

    def to_map(self, distances: Tensor, height: int, width: int) -> Tensor:
        """Distances of all positions, float32 [B, h w], to smoothed maps [B, H, W]; bilinear."""
        maps = distances.unflatten(1, (height, width))[:, None]
        enlarged = functional.interpolate(maps, size=self.image_shape, mode="bilinear", align_corners=False)
        return smooth(enlarged[:, 0], self.config.sigma)


def side_by_side(levels: Sequence[Tensor]) -> Tensor:
    """Levels [B, c_l, h_l, w_l] to [B, C, h, w] of the first level's size, enlarged bilinearly."""
    first, *others = levels
    size = first.shape[2:]
    enlarged = [
        functional.interpolate(level, size=size, mode="bilinear", align_corners=False) for level in others
    ]
    return torch.cat([first, *enlarged], dim=1)


def positions_first(features: Tensor) -> Tensor:
    """[B, C, h, w] to [B, h w, C]."""
    return features.flatten(2).transpose(1, 2)


def nearest_rows(queries: Tensor, candidates: Tensor) -> Tensor:
    """For each query [Q, C] the row of `candidates` [M, C] at the least Euclidean distance, int64 [Q]."""
    return nearest_of_blocks(
        # squared distances without the query's own square, which is the same for all
        (torch.addmm(block.square().sum(dim=1), queries, block.T, alpha=-2), number * BLOCK)
        for number, block in enumerate(candidates.split(BLOCK))
    )


def nearest_of_blocks(blocks: Iterable[tuple[Tensor, Tensor | int]]) -> Tensor:
    """The row of each query's least distance, int64 [..., Q].

    Blocks are distances [..., Q, R] and the number of the block's first row, one for all or [..., 1].
    """
    best: Tensor | None = None
    nearest = torch.empty(0)
    for distances, first in blocks:
        least, row = distances.min(dim=-1)
        if best is None:
            best, nearest = least, row + first
        else:
            nearest = torch.where(least < best, row + first, nearest)
            best = torch.minimum(best, least)
    return nearest
