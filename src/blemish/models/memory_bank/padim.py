"""PaDiM: a Gaussian of good features at each position, and the distance from it (Defard, ICPR 2021)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from blemish.images.frame import Shape
from blemish.models.memory_bank.config import PaDiMConfig
from blemish.models.memory_bank.features import MemoryBank, positions_first

CHUNK = 64  # covariances that are factored at once, in float64


class PaDiM(MemoryBank):
    """Mean and covariance of d randomly drawn channels at each of P positions.

    Attributes:
        drawn: int64 [d], which channels.
        mean: float32 [P, d].
        whitening: float32 [P, d, d], inverse Cholesky factors of the covariances: the length of a whitened
            difference is its Mahalanobis distance (eq. 2).
    """

    config: PaDiMConfig
    drawn: Tensor
    mean: Tensor
    whitening: Tensor

    def __init__(self, config: PaDiMConfig, image_shape: Shape) -> None:
        super().__init__(config, image_shape, pooled=True)
        self.channels = min(config.channels, self.features.channels)
        self.register_buffer("drawn", torch.zeros(self.channels, dtype=torch.int64))
        self.register_buffer("mean", torch.empty(0, self.channels))
        self.register_buffer("whitening", torch.empty(0, self.channels, self.channels))

    @torch.no_grad()
    def learn(self, batches: Callable[[], Iterator[Tensor]], count: int, seed: int) -> None:
        """See `TrainingFreeModel.learn`.

        Mean and scatter are updated batch by batch with what each batch adds to both (Chan, Golub and
        LeVeque 1983), so that no large sums cancel; the scatter is all the memory that this takes.
        """
        order = torch.randperm(self.features.channels, generator=torch.Generator().manual_seed(seed))
        self.drawn = order[: self.channels].sort().values.to(self.drawn.device)
        positions = self.features.positions(self.image_shape)
        mean = self.mean.new_zeros(positions, self.channels)
        scatter = mean.new_zeros(positions, self.channels, self.channels)
        seen = 0
        for images in batches():
            values = positions_first(self.features(images)[:, self.drawn]).transpose(0, 1)  # [P, B, d]
            new = values.shape[1]
            batch_mean = values.mean(dim=1)
            shift = (batch_mean - mean) * (seen * new / (seen + new)) ** 0.5
            spread = torch.cat([values - batch_mean[:, None], shift[:, None]], dim=1)
            scatter.baddbmm_(spread.transpose(1, 2), spread)
            mean += (batch_mean - mean) * (new / (seen + new))
            seen += new
        self.mean, self.whitening = mean, self._whiten(scatter, seen)

    def _whiten(self, scatter: Tensor, count: int) -> Tensor:
        """Inverse factors of eq. 1, from the scatter of `count` images and in its memory; [P, d, d]."""
        unit = torch.eye(self.channels, dtype=torch.float64, device=scatter.device)
        for part in scatter.split(CHUNK):
            covariance = part.double() / max(count - 1, 1) + self.config.shrinkage * unit
            factor = torch.linalg.cholesky(covariance)
            part.copy_(torch.linalg.solve_triangular(factor, unit.expand_as(factor), upper=False))
        return scatter

    def resize_state(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """See `AnomalyModel.resize_state`."""
        positions = self.features.positions(self.image_shape)
        if shapes["mean"][0] != positions:
            raise ValueError(f"{shapes['mean'][0]} positions where the network has {positions}")
        self.mean = self.mean.new_empty(positions, self.channels)
        self.whitening = self.whitening.new_empty(positions, self.channels, self.channels)

    def load_state_dict(self, *state: Any, **options: Any) -> Any:
        """As PyTorch's; RuntimeError also where there are no such channels."""
        outcome = super().load_state_dict(*state, **options)
        if not ((self.drawn >= 0) & (self.drawn < self.features.channels)).all():
            raise RuntimeError("channels that the backbone does not have")
        return outcome

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """See `AnomalyModel.forward`. The score is the maximum of the smoothed map of distances."""
        features = self.features(images)
        values = positions_first(features[:, self.drawn]).transpose(0, 1)
        whitened = (values - self.mean[:, None]) @ self.whitening.transpose(1, 2)  # [P, B, d]
        anomaly_map = self.to_map(whitened.square().sum(dim=2).sqrt().T, *features.shape[2:])
        return anomaly_map.amax(dim=(1, 2)), anomaly_map
