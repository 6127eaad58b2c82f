"""Connected regions of a mask: which defect pixels belong together."""

import numpy as np


def connected_regions(mask: np.ndarray) -> tuple[np.ndarray, int]:
    """Label the connected regions of one mask; pixels that touch by a side or a corner are connected.

    Args:
        mask: [H, W], any dtype; non-zero pixels are foreground.

    Returns:
        Labels int32 [H, W], 0 for background and 1..count for the regions, numbered in the order in
        which a row-by-row reading meets them; and the count.

    Raises:
        ValueError: the mask is not two-dimensional.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(f"a mask is [H, W], not {mask.shape}")
    mask = mask.astype(bool, copy=False)
    labels = np.zeros(mask.shape, np.int32)
    if not mask.any():
        return labels, 0

    starts, ends, stride = _runs(mask)
    upper, lower = _touching(starts, ends, stride)
    first_run = _merge(len(starts), upper, lower)
    regions, run_region = np.unique(first_run, return_inverse=True)
    labels[mask] = np.repeat(run_region + 1, ends - starts)
    return labels, len(regions)


def _runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Horizontal runs of foreground as half-open ranges [start, end) into the flattened padded mask.

    One background column on the right keeps runs of neighbouring rows apart, corners included.
    """
    height, width = mask.shape
    padded = np.zeros(height * (width + 1) + 1, np.int8)
    padded[1:].reshape(height, width + 1)[:, :width] = mask
    edges = np.flatnonzero(np.diff(padded))
    return edges[0::2], edges[1::2], width + 1


def _touching(starts: np.ndarray, ends: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of run indices: a run and each run of the row below that it touches."""
    # Moved one row down, a run touches [start, end) where start <= its end and end >= its start: the
    # two equalities are the corners. Runs are in order, so those it touches are consecutive.
    first = np.searchsorted(ends, starts + stride, side="left")
    last = np.searchsorted(starts, ends + stride, side="right")
    count = last - first
    upper = np.repeat(np.arange(len(starts)), count)
    nth = np.arange(len(upper)) - np.repeat(np.cumsum(count) - count, count)
    return upper, first[upper] + nth


def _merge(count: int, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The smallest item connected to each of `count` items, given pairs of connected items."""
    root = np.arange(count)
    while True:
        left, right = root[left], root[right]
        apart = left != right
        if not apart.any():
            return root
        left, right = left[apart], right[apart]
        np.minimum.at(root, np.maximum(left, right), np.minimum(left, right))
        while True:
            further = root[root]
            if np.array_equal(further, root):
                break
            root = further
