"""Patches in few numbers: whitened principal components, and the length of the rest."""

import torch
from torch import Tensor, nn

SAMPLE = 100_000  # patches at most that the covariance is of
TINY = 1e-12  # eigenvalues below are nothing: all patches may be the same


class Whitening(nn.Module):
    """The leading principal components of patches, each by the root of its variance plus the mean variance.

    Directions in which good patches hardly differ gain weight, and noise does not drown the others. What lies
    outside these components is kept as one length, so that no deviation goes unseen: the difference of two
    lengths is the least that the distance can be there.

    Attributes:
        mean: float32 [C].
        axes: float32 [C, D], the components, of unit length.
        variances: float32 [D], those along the axes plus the mean one.
        unit: float32 [1], the mean variance of all C channels.
    """

    mean: Tensor
    axes: Tensor
    variances: Tensor
    unit: Tensor

    def __init__(self, channels: int, kept: int) -> None:
        super().__init__()
        kept = min(channels, kept)
        self.width = kept + 1
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("axes", torch.zeros(channels, kept))
        self.register_buffer("variances", torch.ones(kept))
        self.register_buffer("unit", torch.ones(1))

    def learn(self, patches: Tensor) -> None:
        """Take the covariance of patches, float32 [N, C]."""
        mean = patches.mean(dim=0)
        centred = patches - mean
        values, vectors = torch.linalg.eigh((centred.T @ centred / len(centred)).double().cpu())
        values = values.clamp(min=0)
        unit = values.mean().clamp(min=TINY)
        kept = self.axes.shape[1]
        for name, value in (
            ("mean", mean),
            ("axes", vectors.flip(1)[:, :kept]),
            ("variances", values.flip(0)[:kept] + unit),
            ("unit", unit[None]),
        ):
            getattr(self, name).copy_(value)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches [..., C] to [..., D + 1]."""
        centred = patches - self.mean
        along = centred @ self.axes
        rest = centred.square().sum(dim=-1, keepdim=True) - along.square().sum(dim=-1, keepdim=True)
        return torch.cat([along * self.variances.rsqrt(), (rest.clamp(min=0) / self.unit).sqrt()], dim=-1)
