"""RAD: compare an image patch by patch with the good images most like it (Zhang et al., arXiv 2601.22763)."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from blemish.errors import ConfigError
from blemish.images.frame import Shape
from blemish.models.memory_bank.config import RADConfig
from blemish.models.memory_bank.coreset import choose_coreset
from blemish.models.memory_bank.features import BLOCK, positions_first, side_by_side
from blemish.models.memory_bank.gallery import Gallery
from blemish.models.memory_bank.whitening import SAMPLE, Whitening

GRID = 4  # a descriptor has one mean for each of 4 x 4 fields, so that it knows where things are


class RAD(Gallery):
    """Images are retrieved by the cosine of their last level on a coarse grid.

    In the paper the class token of a transformer retrieves; convolutional networks have none, and the coarse
    grid stands in its place for all. Not in the paper: patches are whitened and shortened (`Whitening`),
    every other position of a good image is remembered, as on the black fields of a chess board, since
    neighbours share most of what they saw, and a coreset of the patches of all images (`PatchCore`'s) stands
    in for what the few retrieved ones happen not to show.

    Attributes:
        gallery: float16 [N, P / 2, D + 1].
        coreset: float32 [M, D + 1].
        coreset_images: int64 [M], which image of the gallery each is from; empty in a loaded model.
        left_out: bool [N], the images of the gallery that are not looked at, or None.
    """

    described = GRID**2

    config: RADConfig
    coreset: Tensor
    coreset_images: Tensor

    def __init__(self, config: RADConfig, image_shape: Shape) -> None:
        super().__init__(config, image_shape, pooled=True)
        self.whitening = Whitening(self.features.channels, config.components)
        self.gallery = self.gallery.new_empty(0, 0, self.whitening.width)
        self.register_buffer("coreset", torch.empty(0, self.whitening.width))
        self.register_buffer("coreset_images", torch.empty(0, dtype=torch.int64), persistent=False)
        self.left_out: Tensor | None = None

    @torch.no_grad()
    def learn(self, batches: Callable[[], Iterator[Tensor]], count: int, seed: int) -> None:
        """See `Gallery.learn`. The coreset is chosen from the remembered images."""
        super().learn(batches, count, seed)
        generator = torch.Generator().manual_seed(seed)
        whole = self.gallery
        drawn = torch.randperm(whole.shape[:2].numel(), generator=generator)[:SAMPLE]
        sample = whole.flatten(0, 1)[drawn.to(whole.device)].float()
        self.whitening.learn(sample)
        sample = self.whitening(sample)
        rows = choose_coreset(sample, min(self.config.memory, len(sample)), generator)
        self.coreset = sample[rows.to(sample.device)]
        self.coreset_images = drawn[rows].to(whole.device) // whole.shape[1]
        black = _black_fields(self.features.size(self.image_shape)).to(whole.device)
        self.gallery = torch.stack([self.whitening(image[black].float()).to(whole.dtype) for image in whole])

    def leave_out(self, rows: np.ndarray) -> None:
        """See `TrainingFreeModel.leave_out`."""
        left_out = torch.from_numpy(np.isin(self.remembered, rows)).to(self.gallery.device)
        if left_out.all():
            raise ConfigError(
                "All that is remembered is of one image, which calibrates; raise model.gallery."
            )
        self.left_out = left_out if left_out.any() else None

    def remembered_positions(self) -> int:
        """See `Gallery.remembered_positions`."""
        return -(-super().remembered_positions() // 2)

    def resize_state(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """See `AnomalyModel.resize_state`."""
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

        The map is the smoothed Euclidean distance of each whitened patch to the nearest one of the K images
        that are most alike, or of the coreset; the score is its largest value.
        """
        maps = self.judge(self.features.levels(images))
        return maps.amax(dim=(1, 2)), maps

    def judge(self, levels: list[Tensor]) -> Tensor:
        """The levels of images, averaged as `PatchFeatures` does, to their maps, float32 [B, H, W]."""
        features = side_by_side(levels)
        patches = self.whitening(positions_first(features))
        similarity, coreset, count = self.describe(levels) @ self.pooled.T, self.coreset, len(self.pooled)
        if self.left_out is not None:
            similarity = similarity.masked_fill(self.left_out, -1)
            coreset, count = coreset[~self.left_out[self.coreset_images]], count - int(self.left_out.sum())
        alike = similarity.topk(min(self.config.neighbours, count), dim=1).indices
        distances = self._distances(patches, alike, coreset)
        return self.to_map(distances, *features.shape[2:])

    def _distances(self, patches: Tensor, alike: Tensor, coreset: Tensor) -> Tensor:
        """Of each patch [B, P, D + 1] to the nearest in images [B, K] or coreset; float32 [B, P]."""
        least = []
        # without the patch's own square, which is the same for all
        for image in alike.unbind(dim=1):
            other = self.gallery[image].float()
            squares = other.square().sum(dim=2)[:, None]
            least.append(torch.baddbmm(squares, patches, other.transpose(1, 2), alpha=-2).amin(dim=2))
        for block in coreset.split(BLOCK) if len(coreset) else ():
            to_block = torch.addmm(block.square().sum(dim=1), patches.flatten(0, 1), block.T, alpha=-2)
            least.append(to_block.amin(dim=1).reshape(patches.shape[:2]))
        squares = torch.stack(least).amin(dim=0) + patches.square().sum(dim=2)
        return squares.clamp(min=0).sqrt()


def _black_fields(size: Shape) -> Tensor:
    """Every other position of a grid [h, w], row by row; int64 [P / 2], rounded up."""
    rows, columns = torch.meshgrid(*map(torch.arange, size), indexing="ij")
    return ((rows + columns) % 2 == 0).flatten().nonzero()[:, 0]
