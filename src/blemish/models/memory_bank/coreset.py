"""Which few vectors stand for many: greedy k-centre in random low-dimensional projections."""

import torch
from torch import Tensor

PROJECTED = 128  # dimensions of the projection (Johnson and Lindenstrauss, as PatchCore cites them)
PART = 20_000  # vectors among which centres are chosen at once


def choose_coreset(vectors: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Choose `count` vectors that leave none far from all of them (PatchCore algorithm 1, section 3.2).

    The paper's greedy choice costs vectors x count x dimensions, and reads all vectors for each choice. Here
    the vectors are first dealt at random into parts of about `PART`, each of which chooses its share.

    Args:
        vectors: float32 [N, C].
        count: how many, 1 to N.
        generator: on the CPU.

    Returns:
        Row numbers, int64 [count], ascending and distinct.
    """
    projected = project(vectors, generator)
    parts = torch.randperm(len(vectors), generator=generator).chunk(-(-len(vectors) // PART))
    chosen = []
    seen, taken = 0, 0
    for rows in parts:
        seen += len(rows)
        share = count * seen // len(vectors) - taken
        taken += share
        chosen.append(rows[greedy_centres(projected[rows.to(vectors.device)], share).cpu()])
    return torch.cat(chosen).sort().values


def project(vectors: Tensor, generator: torch.Generator) -> Tensor:
    """Random projection of float32 [N, C] to [N, PROJECTED] that keeps distances nearly; fewer C stay."""
    channels = vectors.shape[1]
    if channels <= PROJECTED:
        return vectors
    matrix = torch.randn(channels, PROJECTED, generator=generator) / PROJECTED**0.5
    return vectors @ matrix.to(vectors.device)


def greedy_centres(vectors: Tensor, count: int) -> Tensor:
    """Begin with the first vector, and go on with the one farthest from all chosen so far.

    Args:
        vectors: float32 [N, C]; in random order, or the beginning is not.
        count: how many, 0 to N.

    Returns:
        Row numbers in the order of the choice, int64 [count].
    """
    squares = vectors.square().sum(dim=1)
    distances = torch.full_like(squares, torch.inf)
    chosen = torch.zeros(count, dtype=torch.int64, device=vectors.device)
    for step in range(count):
        centre = distances.argmax() if step else chosen[0]
        to_centre = torch.addmv(squares, vectors, vectors[centre], alpha=-2).add_(squares[centre])
        torch.minimum(distances, to_centre, out=distances)
        distances[centre] = -torch.inf  # rounding must not choose it again
        chosen[step] = centre
    return chosen
