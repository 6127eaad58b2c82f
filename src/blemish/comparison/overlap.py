"""Per-region overlap curves kept image by image, so that the AUPRO of any resample costs two products."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from blemish.regions import connected_regions

FINE, COARSE = 1500, 100  # thresholds up to and beyond half of the defect-free pixels


class Overlaps(NamedTuple):
    """What each image adds to the curve of `blemish.metrics.aupro`, at T thresholds from high to low.

    Attributes:
        defective: bool [N], whether the image has a defect.
        clean: int64 [N], defect-free pixels.
        flagged: int32 [N, T], those at or above each threshold.
        found: float32 [R, T], the share of each defect region at or above each threshold.
        image: int64 [R], the image of each region.
    """

    defective: np.ndarray
    clean: np.ndarray
    flagged: np.ndarray
    found: np.ndarray
    image: np.ndarray


def overlaps(maps: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> Overlaps | None:
    """Measure the curves at thresholds that lie evenly in false positive rate, finely up to one half.

    Args:
        maps: N float32 [S, S].
        masks: N bool [S, S]; empty ones are good images.

    Returns:
        None when no pixel, or every pixel, is defective.
    """
    normal = np.concatenate([scores[~mask] for scores, mask in zip(maps, masks, strict=True)])
    if not len(normal) or not any(mask.any() for mask in masks):
        return None
    rates = np.append(np.linspace(0, 0.5, FINE), np.linspace(0.5, 1, COARSE + 1)[1:])
    normal.sort()
    places = np.rint((1 - rates) * (len(normal) - 1)).astype(int)
    thresholds = np.append(np.nextafter(normal[-1], np.float32(np.inf)), normal[places])
    clean, flagged, found, image = [], [], [], []
    for index, (scores, mask) in enumerate(zip(maps, masks, strict=True)):
        clean.append(np.count_nonzero(~mask))
        flagged.append(_at_least(scores[~mask], thresholds))
        labels, count = connected_regions(mask)
        for region in range(1, count + 1):
            inside = scores[labels == region]
            found.append(_at_least(inside, thresholds) / len(inside))
            image.append(index)
    return Overlaps(
        np.array([mask.any() for mask in masks]),
        np.array(clean),
        np.array(flagged, np.int32),
        np.array(found, np.float32),
        np.array(image),
    )


def aupro_of_resamples(curves: Overlaps, times: np.ndarray, limit: float = 0.3) -> np.ndarray:
    """AUPRO of each resample of the images, in [0, 1].

    Args:
        times: [rounds, N], how often each image was drawn; at least one image with a region each round.
        limit: largest false positive rate, as in `blemish.metrics.aupro`.

    Returns:
        float64 [rounds].
    """
    weights = times.astype(np.float32)
    rates = (weights @ curves.flagged.astype(np.float32)) / (weights @ curves.clean)[:, None]
    of_regions = weights[:, curves.image]
    found = (of_regions @ curves.found) / of_regions.sum(axis=1, keepdims=True)
    return np.array([_area(*curve, limit) for curve in zip(rates, found, strict=True)])


def _area(rates: np.ndarray, found: np.ndarray, limit: float) -> float:
    inside = int(np.searchsorted(rates, limit, side="right"))
    at_limit = np.interp(limit, rates, found)
    x = np.append(rates[:inside], limit).astype(np.float64)
    y = np.append(found[:inside], at_limit).astype(np.float64)
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / (2 * limit))


def _at_least(values: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return len(values) - np.searchsorted(np.sort(values), thresholds, side="left")
