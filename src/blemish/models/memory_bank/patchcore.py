"""PatchCore: a patch is anomalous if no remembered patch of a good image is near it (Roth, CVPR 2022)."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from blemish.images.frame import Shape
from blemish.models.memory_bank.config import PatchCoreConfig
from blemish.models.memory_bank.coreset import choose_coreset
from blemish.models.memory_bank.features import MemoryBank, nearest_rows, positions_first


class PatchCore(MemoryBank):
    """A memory of good patches; the distance to it is the anomaly.

    Attributes:
        memory: float32 [M, C].
    """

    config: PatchCoreConfig
    memory: Tensor

    def __init__(self, config: PatchCoreConfig, image_shape: Shape) -> None:
        super().__init__(config, image_shape, pooled=True)
        self.register_buffer("memory", torch.empty(0, self.features.channels))

    @torch.no_grad()
    def learn(self, batches: Callable[[], Iterator[Tensor]], count: int, seed: int) -> None:
        """See `TrainingFreeModel.learn`. Remembers a coreset of the patches (section 3.2)."""
        candidates = self._candidates(batches(), count, seed)
        wanted = max(round(self.config.coreset * len(candidates)), self.config.neighbours)
        wanted = min(wanted, self.config.memory, len(candidates))
        rows = choose_coreset(candidates, wanted, torch.Generator().manual_seed(seed))
        self.memory = candidates[rows.to(candidates.device)]

    def _candidates(self, batches: Iterator[Tensor], count: int, seed: int) -> Tensor:
        """Patches of all images, or as many of them at random as the config allows; float32 [N, C]."""
        kept: Tensor | None = None
        drawn = np.empty(0, np.int64)
        seen = 0
        for images in batches:
            patches = positions_first(self.features(images)).flatten(0, 1)
            if kept is None:
                total = count * len(patches) // len(images)
                drawn = np.arange(total)
                if total > self.config.candidates:
                    rng = np.random.default_rng(seed)
                    drawn = np.sort(rng.choice(total, self.config.candidates, replace=False, shuffle=False))
                kept = patches.new_empty(len(drawn), patches.shape[1])
            start, end = np.searchsorted(drawn, (seen, seen + len(patches)))
            kept[start:end] = patches[torch.from_numpy(drawn[start:end] - seen).to(patches.device)]
            seen += len(patches)
        assert kept is not None
        return kept

    def resize_state(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """See `AnomalyModel.resize_state`. Learning decides how many patches are remembered."""
        rows = shapes["memory"][0]
        if not 0 < rows <= self.config.memory:
            raise ValueError(f"a memory of {rows} patches where {self.config.memory} are allowed")
        self.memory = self.memory.new_empty(rows, self.memory.shape[1])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `AnomalyModel.forward`. The map is the smoothed distance of each patch to the memory."""
        features = self.features(images)
        patches = positions_first(features)
        nearest = nearest_rows(patches.flatten(0, 1), self.memory).reshape(patches.shape[:2])
        distances = (patches - self.memory[nearest]).square().sum(dim=2).sqrt()
        return self._score(patches, nearest, distances), self.to_map(distances, *features.shape[2:])

    def _score(self, patches: Tensor, nearest: Tensor, distances: Tensor) -> Tensor:
        """Eqs. 6 and 7, [B, P, C] and twice [B, P] to [B]: the largest patch distance s*, times a weight.

        The weight is 1 - exp(s*) / sum of exp(d), where d are the distances of that patch to the b
        remembered patches nearest to its nearest one, itself among them; the farther those, the more.
        """
        largest, position = distances.max(dim=1, keepdim=True)
        neighbours = min(self.config.neighbours, len(self.memory))
        if neighbours == 1:
            return largest[:, 0]
        patch = patches.gather(1, position[:, :, None].expand(-1, -1, patches.shape[2]))
        closest = self.memory[nearest.gather(1, position)[:, 0]]
        squares = self.memory.square().sum(dim=1)
        around = torch.addmm(squares, closest, self.memory.T, alpha=-2)
        around = around.topk(neighbours, dim=1, largest=False).indices
        others = (patch - self.memory[around]).square().sum(dim=2).sqrt()
        weight = 1 - (largest - others.logsumexp(dim=1, keepdim=True)).exp()
        return (weight * largest)[:, 0]
