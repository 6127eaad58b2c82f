"""Gaussian smoothing as matrix products, which every engine runs alike."""

import torch
from torch import Tensor


def gaussian_matrix(size: int, sigma: float) -> Tensor:
    """One-dimensional Gaussian filter with mirrored borders as a matrix, float32 [size, size].

    Cut off at 4 sigma, so that `g @ image @ g.T` is scipy.ndimage.gaussian_filter with its defaults.
    """
    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    kernel /= kernel.sum()
    position = (torch.arange(size)[:, None] + offsets) % (2 * size)
    position = torch.where(position < size, position, 2 * size - 1 - position)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    return matrix.scatter_add_(1, position, kernel.expand(size, -1)).float()


def smooth(maps: Tensor, sigma: float) -> Tensor:
    """Float maps [B, H, W] under a Gaussian with a standard deviation of `sigma` pixels, same shape."""
    down, across = (gaussian_matrix(side, sigma).to(maps.device) for side in maps.shape[1:])
    return down @ maps @ across.T
