"""RAD: compare an image patch by patch with the good images most like it (Zhang et al., arXiv 2601.22763)."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from blemish.images.frame import Shape
from blemish.models.memory_bank.config import RADConfig
from blemish.models.memory_bank.coreset import choose_coreset
from blemish.models.memory_bank.features import nearest_rows, positions_first, side_by_side
from blemish.models.memory_bank.gallery import Gallery

GRID = 4  # a descriptor has one mean for each of 4 x 4 fields, so that it knows where things are
CANDIDATES = 100_000  # patches, drawn at random, that the coreset is chosen from


class RAD(Gallery):
    """Images are retrieved by the cosine of their last level on a coarse grid.

    In the paper the class token of a transformer retrieves; convolutional networks have none, and the coarse
    grid stands in its place for all. Not in the paper: a coreset of the patches of all images
    (`PatchCore`'s), for what the few retrieved ones happen not to show.

    Attributes:
        coreset: float32 [M, C].
        coreset_images: int64 [M], which image of the gallery each is from; empty in a loaded model.
        left_out: bool [N], the images of the gallery that are not looked at, or None.
    """

    described = GRID**2

    config: RADConfig
    coreset: Tensor

    def __init__(self, config: RADConfig, image_shape: Shape) -> None:
        super().__init__(config, image_shape, pooled=True)
        self.register_buffer("coreset", torch.empty(0, self.features.channels))
        self.coreset_images = torch.empty(0, dtype=torch.int64)
        self.left_out: Tensor | None = None

    @torch.no_grad()
    def learn(self, batches: Callable[[], Iterator[Tensor]], count: int, seed: int) -> None:
        """See `Gallery.learn`. The coreset is chosen from the remembered images."""
        super().learn(batches, count, seed)
        generator = torch.Generator().manual_seed(seed)
        patches = self.gallery.flatten(0, 1)
        drawn = torch.randperm(len(patches), generator=generator)[:CANDIDATES].to(patches.device)
        candidates = patches[drawn].float()
        rows = choose_coreset(candidates, min(self.config.memory, len(candidates)), generator)
        self.coreset = candidates[rows.to(patches.device)]
        self.coreset_images = drawn[rows.to(patches.device)] // self.gallery.shape[1]

    def leave_out(self, rows: np.ndarray) -> None:
        """See `TrainingFreeModel.leave_out`."""
        left_out = torch.from_numpy(np.isin(self.remembered, rows)).to(self.gallery.device)
        self.left_out = left_out if left_out.any() else None

    def resize_state(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """See `TrainingFreeModel.resize_state`."""
        super().resize_state(shapes)
        rows = shapes["coreset"][0]
        if not 0 < rows <= self.config.memory:
            raise ValueError(f"a coreset of {rows} patches where {self.config.memory} are allowed")
        self.coreset = self.coreset.new_empty(rows, self.coreset.shape[1])

    def describe(self, levels: list[Tensor]) -> Tensor:
        """See `Gallery.describe`; [B, 16 c] of unit length."""
        return functional.normalize(functional.adaptive_avg_pool2d(levels[-1], GRID).flatten(1), dim=1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `AnomalyModel.forward`.

        The map is the smoothed Euclidean distance of each patch to the nearest patch of the K images that are
        most alike, or of the coreset; the score is its largest value.
        """
        levels = self.features.levels(images)
        features = side_by_side(levels)
        patches = positions_first(features)
        similarity, coreset, count = self.describe(levels) @ self.pooled.T, self.coreset, len(self.pooled)
        if self.left_out is not None:
            similarity = similarity.masked_fill(self.left_out, -1)
            coreset, count = coreset[~self.left_out[self.coreset_images]], count - int(self.left_out.sum())
        alike = similarity.topk(min(self.config.neighbours, count), dim=1).indices
        squares = self.nearest_positions(patches, alike)
        if len(coreset):
            nearest = coreset[nearest_rows(patches.flatten(0, 1), coreset)].reshape(patches.shape)
            squares = torch.minimum(squares, (patches - nearest).square().sum(dim=2))
        maps = self.to_map(squares.sqrt(), *features.shape[2:])
        return maps.amax(dim=(1, 2)), maps
