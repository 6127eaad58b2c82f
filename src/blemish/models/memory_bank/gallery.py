"""Good images remembered whole, and the comparison of an image with those most like it."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from blemish.images.frame import Shape
from blemish.models.memory_bank.config import GalleryConfig
from blemish.models.memory_bank.features import MemoryBank, nearest_of_blocks, positions_first, side_by_side

log = logging.getLogger(__name__)


class Gallery(MemoryBank):
    """Base of the methods that retrieve the good images most like one, and then compare with their patches.

    Attributes:
        pooled: float32 [N, D], what images are retrieved by.
        gallery: float16 [N, P, C], each image's features at its P positions; see `RAD` for its own.
        remembered: int64 [N] ascending, which of the images learned from these are; empty in a loaded model.
    """

    described = 1  # values per channel of the last level

    config: GalleryConfig
    pooled: Tensor
    gallery: Tensor

    def __init__(self, config: GalleryConfig, image_shape: Shape, *, pooled: bool) -> None:
        super().__init__(config, image_shape, pooled=pooled)
        self.register_buffer("pooled", torch.empty(0, self.described * self.features.backbone.channels[-1]))
        self.register_buffer("gallery", torch.empty(0, 0, self.features.channels, dtype=torch.float16))
        self.remembered = np.empty(0, np.int64)

    def describe(self, levels: list[Tensor]) -> Tensor:
        """Levels [B, c_l, h_l, w_l] to what images are retrieved by, [B, D]."""
        raise NotImplementedError

    @torch.no_grad()
    def learn(self, batches: Callable[[], Iterator[Tensor]], count: int, seed: int) -> None:
        """See `TrainingFreeModel.learn`. Remembers all images, or as many at random as the config allows."""
        order = np.random.default_rng(seed).permutation(count)
        if count > self.config.gallery:
            log.warning(
                f"{self.config.gallery} of {count} images, tiles or changed versions are remembered, "
                "drawn at random."
            )
        self.remembered = np.sort(order[: self.config.gallery])
        kept = torch.zeros(count, dtype=torch.bool)
        kept[self.remembered] = True
        seen, filled = 0, 0
        for images in batches():
            wanted = images[kept[seen : seen + len(images)].to(images.device)]
            seen += len(images)
            if not len(wanted):
                continue
            levels = self.features.levels(wanted)
            features = positions_first(side_by_side(levels))
            if not filled:
                self.pooled = features.new_empty(int(kept.sum()), self.pooled.shape[1])
                self.gallery = self.gallery.new_empty(int(kept.sum()), *features.shape[1:])
            self.pooled[filled : filled + len(wanted)] = self.describe(levels)
            self.gallery[filled : filled + len(wanted)] = features
            filled += len(wanted)

    def remembered_positions(self) -> int:
        """How many positions of each image are remembered."""
        return self.features.positions(self.image_shape)

    def resize_state(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """See `AnomalyModel.resize_state`. Learning decides how many images are remembered."""
        count, positions = shapes["gallery"][0], self.remembered_positions()
        if not 0 < count <= self.config.gallery or shapes["gallery"][1] != positions:
            raise ValueError(
                f"a gallery of {count} images with {shapes['gallery'][1]} positions, where at most "
                f"{self.config.gallery} with {positions} are allowed"
            )
        self.pooled = self.pooled.new_empty(count, self.pooled.shape[1])
        self.gallery = self.gallery.new_empty(count, positions, self.gallery.shape[2])

    def nearest_positions(self, features: Tensor, alike: Tensor) -> Tensor:
        """The least squared distance of each position to all positions of some images, one at a time.

        Args:
            features: float32 [B, P, C].
            alike: numbers of the images, int64 [B, K].

        Returns:
            float32 [B, P].
        """

        def blocks() -> Iterator[tuple[Tensor, Tensor]]:
            for image in alike.unbind(dim=1):
                other = self.gallery[image].float()
                squares = other.square().sum(dim=2)[:, None]
                # without the position's own square, which is the same for all
                distances = torch.baddbmm(squares, features, other.transpose(1, 2), alpha=-2)
                yield distances, image[:, None] * self.gallery.shape[1]

        found = self.gallery.flatten(0, 1)[nearest_of_blocks(blocks())].float()
        return (features - found).square().sum(dim=2)
