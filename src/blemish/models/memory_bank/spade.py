"""SPADE: compare an image with the good images most like it, position by position (Cohen, Hoshen 2020)."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from blemish.models.memory_bank.config import SPADEConfig
from blemish.models.memory_bank.features import MemoryBank, nearest_of_blocks, positions_first, side_by_side


class SPADE(MemoryBank):
    """A gallery of good images as features.

    Attributes:
        pooled: float32 [N, c], each image's last level averaged over its positions.
        gallery: float16 [N, P, C], each image's features at its P positions.
    """

    config: SPADEConfig
    pooled: Tensor
    gallery: Tensor

    def __init__(self, config: SPADEConfig, image_size: int) -> None:
        super().__init__(config, image_size, pooled=False)
        self.register_buffer("pooled", torch.empty(0, self.features.backbone.channels[-1]))
        self.register_buffer("gallery", torch.empty(0, 0, self.features.channels, dtype=torch.float16))

    @torch.no_grad()
    def learn(self, batches: Callable[[], Iterator[Tensor]], count: int, seed: int) -> None:
        """See `TrainingFreeModel.learn`. Remembers all images, or as many at random as the config allows."""
        order = np.random.default_rng(seed).permutation(count)
        kept = torch.zeros(count, dtype=torch.bool)
        kept[order[: self.config.gallery]] = True
        seen, filled = 0, 0
        for images in batches():
            wanted = images[kept[seen : seen + len(images)].to(images.device)]
            seen += len(images)
            if not len(wanted):
                continue
            levels = self.features.levels(wanted)
            features = positions_first(side_by_side(levels))
            if not filled:
                self.pooled = features.new_empty(int(kept.sum()), levels[-1].shape[1])
                self.gallery = self.gallery.new_empty(int(kept.sum()), *features.shape[1:])
            self.pooled[filled : filled + len(wanted)] = levels[-1].mean(dim=(2, 3))
            self.gallery[filled : filled + len(wanted)] = features
            filled += len(wanted)

    def resize_state(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """See `TrainingFreeModel.resize_state`. Learning decides how many images are remembered."""
        count, positions = shapes["gallery"][0], self.features.positions(self.image_size)
        if not 0 < count <= self.config.gallery or shapes["gallery"][1] != positions:
            raise ValueError(
                f"a gallery of {count} images with {shapes['gallery'][1]} positions, where at most "
                f"{self.config.gallery} with {positions} are allowed"
            )
        self.pooled = self.pooled.new_empty(count, self.pooled.shape[1])
        self.gallery = self.gallery.new_empty(count, positions, self.gallery.shape[2])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `AnomalyModel.forward`.

        The score is the mean squared distance of the pooled features to the K nearest images (eq. 2); the
        map is that of each position to the nearest of all positions of those images (eq. 3, kappa = 1).
        """
        levels = self.features.levels(images)
        features = side_by_side(levels)
        score, alike = self._nearest_images(levels[-1].mean(dim=(2, 3)))
        distances = self._nearest_positions(positions_first(features), alike)
        return score, self.to_map(distances, *features.shape[2:])

    def _nearest_images(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features [B, c] to eq. 2's score [B] and the numbers of the K nearest images [B, K]."""
        squares = torch.addmm(self.pooled.square().sum(dim=1), pooled, self.pooled.T, alpha=-2)
        count = min(self.config.neighbours, len(self.pooled))
        alike = squares.topk(count, dim=1, largest=False).indices
        distances = (pooled[:, None] - self.pooled[alike]).square().sum(dim=2)
        return distances.mean(dim=1), alike

    def _nearest_positions(self, features: Tensor, alike: Tensor) -> Tensor:
        """Features [B, P, C] and numbers of images [B, K] to eq. 3's distances [B, P], an image at a time."""

        def blocks() -> Iterator[tuple[Tensor, Tensor]]:
            for image in alike.unbind(dim=1):
                other = self.gallery[image].float()
                squares = other.square().sum(dim=2)[:, None]
                # without the position's own square, which is the same for all
                distances = torch.baddbmm(squares, features, other.transpose(1, 2), alpha=-2)
                yield distances, image[:, None] * self.gallery.shape[1]

        found = self.gallery.flatten(0, 1)[nearest_of_blocks(blocks())].float()
        return (features - found).square().sum(dim=2)
