"""Exact detection metrics of images and pixels, from sorted scores.

Scores are higher for more anomalous. Every metric depends on their order only, and treats equal scores
as one threshold. Anything that needs both classes and sees only one is NaN (None in the dictionaries
of `image_metrics` and `pixel_metrics`, so that JSON says null).
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from blemish.evaluation.statistics import bootstrap_aurocs, percentile_interval
from blemish.images.connected import connected_regions

Planes = np.ndarray | Sequence[np.ndarray]

PORTION = 2**22  # pixels that are sorted at once


def roc_curve(scores: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False and true positive rates at every distinct score.

    Args:
        scores: [n] numbers.
        labels: [n], 1 or True for anomalous, 0 or False for normal.

    Returns:
        (fpr, tpr, thresholds), float64 [distinct scores + 1]: rates of `score >= threshold`, thresholds
        descending from infinity. The rates of a class that is absent are NaN.

    Raises:
        ValueError: lengths differ, a score is NaN, or a label is neither 0 nor 1.
    """
    negatives, positives = _split(scores, labels)
    distinct = np.unique(np.concatenate([negatives, positives]))[::-1]
    rates = []
    for values in (negatives, positives):
        at_least = len(values) - np.searchsorted(np.sort(values), distinct, side="left")
        counts = np.concatenate([[0], at_least])
        rates.append(counts / len(values) if len(values) else np.full(len(counts), math.nan))
    return rates[0], rates[1], np.concatenate([[math.inf], distinct])


def auroc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: P(anomalous scores higher than normal) + P(they tie) / 2, in [0, 1].

    Arguments and errors as in `roc_curve`; NaN when one class is absent.
    """
    return _auroc(_image_steps(scores, labels))


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Sum over thresholds of precision times the gain in recall (scikit-learn's definition), in (0, 1].

    Arguments and errors as in `roc_curve`; NaN when one class is absent.
    """
    return _average_precision(_image_steps(scores, labels))


def f1_max(scores: ArrayLike, labels: ArrayLike) -> float:
    """The best F1 score that any threshold reaches, in (0, 1].

    Arguments and errors as in `roc_curve`; NaN when one class is absent.
    """
    return _f1_max(_image_steps(scores, labels))


def auroc_interval(scores: ArrayLike, labels: ArrayLike) -> tuple[float, float]:
    """95 % bootstrap percentile interval (low, high) of the AUROC, resampling each class by itself.

    It says how much the AUROC would move with another test set of this size. Where the scores separate
    the classes perfectly every resample does too, and the interval is (1, 1) however small the set.
    Arguments and errors as in `roc_curve`; both ends are NaN when one class is absent.
    """
    negatives, positives = map(np.sort, _split(scores, labels))  # the order of the images plays no part
    if not len(negatives) or not len(positives):
        return math.nan, math.nan
    low, high = percentile_interval(bootstrap_aurocs(negatives[None, None], positives[None, None])[0])
    return low, high


def image_metrics(scores: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
    """All image-level metrics at once: "auroc", "ap", "f1_max", "auroc_interval" ([low, high], 95 %).

    Arguments and errors as in `roc_curve`. Fractions in [0, 1]; None when one class is absent.
    """
    steps = _image_steps(scores, labels)
    low, high = auroc_interval(scores, labels)
    return {
        "auroc": or_none(_auroc(steps)),
        "ap": or_none(_average_precision(steps)),
        "f1_max": or_none(_f1_max(steps)),
        "auroc_interval": None if math.isnan(low) else [low, high],
    }


def aupro(maps: Planes, masks: Planes, limit: float = 0.3) -> float:
    """Area under the per-region overlap curve, up to a false positive rate of `limit`, over `limit`.

    Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021. At each threshold: the share of
    each defect region that is found, averaged over all regions of the test set (8-connected, each
    weighs the same), against the false positive rate over all defect-free pixels of the test set. Every
    distinct score is a threshold; the curve is linear in between and is cut exactly at `limit`.

    Args:
        maps: float32 [N, H, W], or N arrays [H, W] of any sizes; other dtypes are read as float32.
        masks: the same shapes; non-zero pixels are defective. Empty masks add only defect-free pixels.
        limit: largest false positive rate, in (0, 1].

    Returns:
        A fraction in [0, 1]; NaN when no pixel, or every pixel, is defective.

    Raises:
        ValueError: numbers or shapes of maps and masks differ, a map holds NaN, or `limit` is out of
            range.
    """
    if not 0 < limit <= 1:
        raise ValueError(f"limit must be in (0, 1], not {limit}")
    return _aupro(_steps(*_pixels(maps, masks)), limit)


def pixel_metrics(maps: Planes, masks: Planes) -> dict[str, float | None]:
    """All pixel-level metrics at once: "auroc", "ap", "f1_max", "aupro_30" and "aupro_05".

    All pixels of all images are pooled. Arguments and errors as in `aupro`. Fractions in [0, 1]; None
    when no pixel, or every pixel, is defective. Needs 25 MB and some 120 bytes per defective pixel.
    """
    steps = _steps(*_pixels(maps, masks))
    return {
        "auroc": or_none(_auroc(steps)),
        "ap": or_none(_average_precision(steps)),
        "f1_max": or_none(_f1_max(steps)),
        "aupro_30": or_none(_aupro(steps, 0.3)),
        "aupro_05": or_none(_aupro(steps, 0.05)),
    }


class _Steps(NamedTuple):
    """What happens at each distinct score of the positives, from the highest down.

    Between two of these scores only negatives pass the threshold, so no curve turns there: all metrics
    follow from these points, and the many negatives are sorted but never walked through.
    """

    found: np.ndarray  # positives that score at least this much
    weight: np.ndarray  # their weight, as a share of all weight
    above: np.ndarray  # negatives that score more
    at_least: np.ndarray  # negatives that score at least this much
    positives: int
    negatives: int


def _steps(
    negatives: Iterable[np.ndarray], positives: np.ndarray, weights: np.ndarray | None = None
) -> _Steps:
    """Takes the negatives in portions, which it sorts in place; they may share their memory."""
    order = np.argsort(positives)[::-1]
    positives = positives[order]
    last = np.append(positives[1:] != positives[:-1], True)[: len(positives)]
    scores, found = positives[last], np.flatnonzero(last) + 1
    weight = found / max(1, len(positives))
    if weights is not None and len(weights):
        summed = np.cumsum(weights[order])
        weight = summed[last] / summed[-1]
    above, at_least, count = np.zeros_like(found), np.zeros_like(found), 0
    for portion in negatives:
        portion.sort()
        count += len(portion)
        above += len(portion) - np.searchsorted(portion, scores, side="right")
        at_least += len(portion) - np.searchsorted(portion, scores, side="left")
    return _Steps(found, weight, above, at_least, len(positives), count)


def _image_steps(scores: ArrayLike, labels: ArrayLike) -> _Steps:
    negatives, positives = _split(scores, labels)
    return _steps([negatives], positives)


def _auroc(steps: _Steps) -> float:
    if not steps.positives or not steps.negatives:
        return math.nan
    count = np.diff(steps.found, prepend=0)
    lost = int(np.sum(count * (steps.above + steps.at_least)))  # twice, to stay in whole numbers
    return 1 - lost / (2 * steps.positives * steps.negatives)


def _average_precision(steps: _Steps) -> float:
    if not steps.positives or not steps.negatives:
        return math.nan
    precision = steps.found / (steps.found + steps.at_least)
    return float(np.sum(precision * np.diff(steps.found, prepend=0)) / steps.positives)


def _f1_max(steps: _Steps) -> float:
    if not steps.positives or not steps.negatives:
        return math.nan
    return float(np.max(2 * steps.found / (steps.positives + steps.found + steps.at_least)))


def _aupro(steps: _Steps, limit: float) -> float:
    if not steps.positives or not steps.negatives:
        return math.nan
    # Each score enters from the left at the overlap of the one before and, where negatives tie with it,
    # climbs along a slope.
    fpr = np.column_stack([steps.above, steps.at_least]).ravel() / steps.negatives
    overlap = np.column_stack([np.append(0, steps.weight[:-1]), steps.weight]).ravel()
    fpr, overlap = np.append(np.append(0, fpr), 1), np.append(np.append(0, overlap), 1)
    inside = int(np.searchsorted(fpr, limit, side="right"))
    at_limit = np.interp(limit, fpr[inside - 1 : inside + 1], overlap[inside - 1 : inside + 1])
    fpr, overlap = np.append(fpr[:inside], limit), np.append(overlap[:inside], at_limit)
    return float(np.sum(np.diff(fpr) * (overlap[1:] + overlap[:-1])) / (2 * limit))


def _split(scores: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The scores of the normal and of the anomalous, as new arrays."""
    scores, labels = np.asarray(scores, float), np.asarray(labels)
    if scores.ndim != 1 or scores.shape != labels.shape:
        raise ValueError(
            f"scores and labels must be two lists of one length, not {scores.shape} and {labels.shape}"
        )
    if np.isnan(scores).any():
        raise ValueError("a score is NaN")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels must be 0 (normal) or 1 (anomalous)")
    anomalous = labels.astype(bool)
    return scores[~anomalous], scores[anomalous]


def _pixels(maps: Planes, masks: Planes) -> tuple[Iterator[np.ndarray], np.ndarray, np.ndarray]:
    """Portions of the defect-free pixels' scores, the scores of the defective pixels, and their weights.

    A pixel weighs one over the size of its region, so that all regions weigh the same.
    """
    if len(maps) != len(masks):
        raise ValueError(f"{len(maps)} maps do not go with {len(masks)} masks")
    positives, weights = [np.empty(0, np.float32)], [np.empty(0)]
    for index in range(len(maps)):
        scores, mask = _plane(maps, masks, index)
        if scores.ndim != 2 or scores.shape != mask.shape:
            raise ValueError(f"map {index} is {scores.shape} and its mask {mask.shape}; both must be [H, W]")
        if scores.size and np.isnan(scores.max()):
            raise ValueError(f"map {index} holds NaN")
        if mask.any():
            region = connected_regions(mask)[0][mask]
            positives.append(scores[mask])
            weights.append(1 / np.bincount(region)[region])
    return _normal_pixels(maps, masks), np.concatenate(positives), np.concatenate(weights)


def _normal_pixels(maps: Planes, masks: Planes) -> Iterator[np.ndarray]:
    """Portions of up to PORTION pixels, or of one map if that has more; each is overwritten by the next."""
    sizes = [np.size(plane) for plane in maps]
    buffer = np.empty(min(sum(sizes), max([PORTION, *sizes])), np.float32)
    end = 0
    for index in range(len(maps)):
        scores, mask = _plane(maps, masks, index)
        normal = scores[~mask]
        if end + normal.size > buffer.size:
            yield buffer[:end]
            end = 0
        buffer[end : end + normal.size] = normal
        end += normal.size
    yield buffer[:end]


def _plane(maps: Planes, masks: Planes, index: int) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(maps[index], np.float32), np.asarray(masks[index]).astype(bool, copy=False)


def or_none(value: float) -> float | None:
    """None for NaN, so that JSON says null."""
    return None if math.isnan(value) else value
