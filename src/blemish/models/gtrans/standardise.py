"""Distances in units of their spread over good images at the same place."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from blemish.models.smoothing import smooth

REACH = 8.0  # pixels: standard deviation of the window over which a place borrows from its neighbours
FLOOR = 0.2  # of a level's spread over all places: the least spread of any of them


class Standardise(nn.Module):
    """Not in the paper: distance / spread, per level and pixel, with the spread taken from good images.

    Levels come on one scale, and places where the student errs now more, now less, such as the edges of a
    part, count for less. The images that calibrate the threshold have no part in it.

    Attributes:
        spread: float32 [L, S, S]; 1 until `learn`.
    """

    spread: Tensor

    def __init__(self, levels: int, size: int) -> None:
        super().__init__()
        self.register_buffer("spread", torch.ones(levels, size, size))

    def learn(self, distances: Iterable[Tensor]) -> None:
        """Take the spread of distances about their mean, given as batches [L, B, S, S]."""
        total = torch.zeros_like(self.spread, dtype=torch.float64)
        squares = torch.zeros_like(total)
        count = 0
        for batch in distances:
            total += batch.double().sum(dim=1)
            squares += batch.double().square().sum(dim=1)
            count += batch.shape[1]
        total, squares = total / count, squares / count
        mean = smooth(total.float(), REACH).double()
        variance = squares - 2 * mean * total + mean.square()  # about the smoothed mean
        overall = squares.mean(dim=(1, 2)) - total.mean(dim=(1, 2)).square()
        floor = FLOOR * overall.clamp(min=0).sqrt()
        spread = smooth(variance.float(), REACH).clamp(min=0).sqrt() + floor[:, None, None]
        self.spread.copy_(spread.clamp(min=1e-12))

    def forward(self, distances: Tensor) -> Tensor:
        """Distances [L, B, S, S] to the same in units of their spread."""
        return distances / self.spread[:, None]
