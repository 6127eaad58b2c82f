"""SPADE: compare an image with the good images most like it, position by position (Cohen, Hoshen 2020)."""

import torch
from torch import Tensor

from blemish.images.frame import Shape
from blemish.models.memory_bank.config import SPADEConfig
from blemish.models.memory_bank.features import positions_first, side_by_side
from blemish.models.memory_bank.gallery import Gallery


class SPADE(Gallery):
    """Images are retrieved, and scored, by their last level averaged over its positions."""

    def __init__(self, config: SPADEConfig, image_shape: Shape) -> None:
        super().__init__(config, image_shape, pooled=False)

    def describe(self, levels: list[Tensor]) -> Tensor:
        """See `Gallery.describe`; [B, c], c channels of the last level."""
        return levels[-1].mean(dim=(2, 3))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `AnomalyModel.forward`.

        The score is the mean squared distance of the pooled features to the K nearest images (eq. 2); the
        map is that of each position to the nearest of all positions of those images (eq. 3, kappa = 1).
        """
        levels = self.features.levels(images)
        features = side_by_side(levels)
        score, alike = self._nearest_images(self.describe(levels))
        distances = self.nearest_positions(positions_first(features), alike)
        return score, self.to_map(distances, *features.shape[2:])

    def _nearest_images(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features [B, c] to eq. 2's score [B] and the numbers of the K nearest images [B, K]."""
        squares = torch.addmm(self.pooled.square().sum(dim=1), pooled, self.pooled.T, alpha=-2)
        count = min(self.config.neighbours, len(self.pooled))
        alike = squares.topk(count, dim=1, largest=False).indices
        distances = (pooled[:, None] - self.pooled[alike]).square().sum(dim=2)
        return distances.mean(dim=1), alike
