"""RAD: retrieve the good images most like one and compare it patch by patch with theirs (arXiv 2601.22763)."""

from torch import Tensor
from torch.nn import functional

from blemish.images.frame import Shape
from blemish.models.memory_bank.config import RADConfig
from blemish.models.memory_bank.features import positions_first, side_by_side
from blemish.models.memory_bank.gallery import Gallery

GRID = 4  # a descriptor has one mean for each of 4 x 4 fields, so that it knows where things are


class RAD(Gallery):
    """Images are retrieved by the cosine of their last level on a coarse grid.

    The paper's network is a DINOv3 transformer whose class token retrieves; a convolutional network has none,
    and the coarse grid stands in its place.
    """

    described = GRID**2

    def __init__(self, config: RADConfig, image_shape: Shape) -> None:
        super().__init__(config, image_shape, pooled=True)

    def describe(self, levels: list[Tensor]) -> Tensor:
        """See `Gallery.describe`; [B, 16 c] of unit length."""
        return functional.normalize(functional.adaptive_avg_pool2d(levels[-1], GRID).flatten(1), dim=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `AnomalyModel.forward`.

        The map is the smoothed Euclidean distance of each patch to the nearest patch of the K images that are
        most alike; the score is its largest value.
        """
        levels = self.features.levels(images)
        features = side_by_side(levels)
        alike = (
            (self.describe(levels) @ self.pooled.T)
            .topk(min(self.config.neighbours, len(self.pooled)))
            .indices
        )
        distances = self.nearest_positions(positions_first(features), alike).sqrt()
        maps = self.to_map(distances, *features.shape[2:])
        return maps.amax(dim=(1, 2)), maps
