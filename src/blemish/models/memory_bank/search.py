"""Nearest neighbours, exact, a block of candidates at a time."""

from collections.abc import Iterable

import torch
from torch import Tensor

BLOCK = 1024  # candidates that all queries are compared with at once


def nearest_rows(queries: Tensor, candidates: Tensor) -> Tensor:
    """For each query [Q, C] the row of `candidates` [M, C] at the least Euclidean distance, int64 [Q]."""
    return nearest_of_blocks(
        # squared distances without the query's own square, which is the same for all
        (torch.addmm(block.square().sum(dim=1), queries, block.T, alpha=-2), number * BLOCK)
        for number, block in enumerate(candidates.split(BLOCK))
    )


def nearest_of_blocks(blocks: Iterable[tuple[Tensor, Tensor | int]]) -> Tensor:
    """The row of each query's least distance.

    Args:
        blocks: distances [..., Q, R], and the number of each block's first row, a number or [..., 1].

    Returns:
        Row numbers, int64 [..., Q].
    """
    best: Tensor | None = None
    nearest = torch.empty(0)
    for distances, first in blocks:
        least, row = distances.min(dim=-1)
        if best is None:
            best, nearest = least, row + first
        else:
            nearest = torch.where(least < best, row + first, nearest)
            best = torch.minimum(best, least)
    return nearest
