"""Whether two methods differ on the same test images, or only seem to; how sure shares and agreement are.

All arrays of scores are [methods, seeds, images]: a method is judged by the mean over its seeds, and every
comparison is paired, image by image.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

LEVEL = 0.95
ROUNDS = 2000


class AUROCs(NamedTuple):
    """AUROCs of several methods on the same images.

    Attributes:
        values: float64 [methods] in [0, 1], means over the seeds.
        covariance: float64 [methods, methods], of these estimates; NaN where a class has fewer than two
            images.
    """

    values: np.ndarray
    covariance: np.ndarray


def delong(good: np.ndarray, defective: np.ndarray) -> AUROCs:
    """AUROCs and the covariance between them, without assumptions on how scores are distributed.

    DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
    characteristic curves: a nonparametric approach", Biometrics 44, 1988; by midranks as in Sun and Xu, "Fast
    implementation of DeLong's algorithm", IEEE Signal Processing Letters 21(11), 2014. The mean over seeds is
    linear in the structural components, so these are averaged.

    Args:
        good: [methods, seeds, m] scores of good images.
        defective: [methods, seeds, n] scores of defective images, higher is more anomalous.

    Raises:
        ValueError: a class is empty.
    """
    from scipy.stats import rankdata

    m, n = good.shape[-1], defective.shape[-1]
    if not m or not n:
        raise ValueError("an AUROC needs good and defective images")
    methods, seeds = good.shape[:2]
    of_good, of_defective = np.empty((methods, seeds, m)), np.empty((methods, seeds, n))
    for index in np.ndindex(methods, seeds):
        ranks = rankdata(np.concatenate([good[index], defective[index]]))
        of_good[index] = 1 - (ranks[:m] - rankdata(good[index])) / n
        of_defective[index] = (ranks[m:] - rankdata(defective[index])) / m
    of_good, of_defective = of_good.mean(axis=1), of_defective.mean(axis=1)
    covariance = np.full((methods, methods), math.nan)
    if m > 1 and n > 1:
        covariance = np.atleast_2d(np.cov(of_defective)) / n + np.atleast_2d(np.cov(of_good)) / m
    return AUROCs(of_defective.mean(axis=1), covariance)


def delong_p(aurocs: AUROCs, first: int, second: int) -> float | None:
    """Two-sided p-value of "both methods have the same AUROC"; None where the images are too few to tell."""
    covariance = aurocs.covariance
    variance = covariance[first, first] + covariance[second, second] - 2 * covariance[first, second]
    if math.isnan(variance):
        return None
    difference = abs(float(aurocs.values[first] - aurocs.values[second]))
    if variance <= 1e-15:  # the same order on every image, or one that rounding alone tells apart
        return 1.0 if difference < 1e-12 else 0.0
    return math.erfc(difference / math.sqrt(2 * variance))


def bootstrap_aurocs(
    good: np.ndarray, defective: np.ndarray, *, rounds: int = ROUNDS, seed: int = 0
) -> np.ndarray:
    """AUROCs on resampled images, float64 [methods, rounds], means over the seeds; arguments as in `delong`.

    Each class is drawn by itself; a resample is the same for all methods and seeds.
    """
    methods, seeds, m = good.shape
    n = defective.shape[-1]
    ordered = np.sort(good, axis=-1)
    rng = np.random.default_rng(seed)
    areas = []
    at_once = max(1, 500_000 // (m + n))
    for done in range(0, rounds, at_once):
        size = min(at_once, rounds - done)
        times_good, times_defective = resample(rng, size, m), resample(rng, size, n)
        area = np.zeros((methods, size))
        for method, one in np.ndindex(methods, seeds):
            order = np.argsort(good[method, one], kind="stable")
            drawn = np.zeros((size, m + 1))
            np.cumsum(times_good[:, order], axis=1, out=drawn[:, 1:])
            beaten = sum(
                drawn[:, np.searchsorted(ordered[method, one], defective[method, one], side=side)]
                for side in ("left", "right")
            )
            area[method] += np.einsum("rn,rn->r", beaten, times_defective) / (2 * m * n * seeds)
        areas.append(area)
    return np.concatenate(areas, axis=1)


def bootstrap_clustered(
    clean: np.ndarray, changed: np.ndarray, *, rounds: int = ROUNDS, seed: int = 0
) -> np.ndarray:
    """AUROCs of changed against clean images on resampled originals, as `bootstrap_aurocs` gives them.

    The changed copies of one image depend on each other and on the clean one, so that originals are drawn,
    each with all that was made of it.

    Args:
        clean: [methods, seeds, n] scores of the originals.
        changed: [methods, seeds, n, k] scores of the k changed copies of each.
    """
    times = resample(np.random.default_rng(seed), rounds, clean.shape[-1]).astype(np.float64)
    areas = []
    for originals, copies in zip(clean, changed, strict=True):
        wins = np.zeros((originals.shape[-1],) * 2)
        for one, others in zip(originals, copies, strict=True):
            wins += ((others > one[:, None, None]) + 0.5 * (others == one[:, None, None])).mean(axis=2)
        areas.append(np.einsum("ri,ij,rj->r", times, wins / len(originals), times, optimize=True))
    return np.array(areas) / clean.shape[-1] ** 2


def resample(rng: np.random.Generator, rounds: int, count: int) -> np.ndarray:
    """How often each of `count` items is drawn in `count` draws with replacement: int64 [rounds, count]."""
    drawn = rng.integers(0, count, (rounds, count)) + np.arange(rounds)[:, None] * count
    return np.bincount(drawn.ravel(), minlength=rounds * count).reshape(rounds, count)


def percentile_interval(values: np.ndarray) -> list[float]:
    """95 % percentile interval [low, high] of bootstrap values [rounds]."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return [float(low), float(high)]


def bootstrap_p(differences: np.ndarray) -> float:
    """Two-sided p-value of "no difference" from bootstrap differences [rounds], in [1 / (rounds + 1), 1]."""
    fewer = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return min(1.0, (2 * int(fewer) + 1) / (len(differences) + 1))


def exact_interval(count: int, total: int) -> list[float]:
    """95 % interval [low, high] of a share, of which `count` of `total` were seen; `total` is at least 1.

    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26, 1934: it holds the true share in at least 95 % of all cases, whatever that share is.
    """
    return [1 - _highest_share(total - count, total), _highest_share(count, total)]


def _highest_share(count: int, total: int) -> float:
    """The share with which `count` or fewer of `total` are seen in 2.5 % of all cases."""
    if count == total:
        return 1.0
    seen = np.arange(total + 1)
    log_factorial = np.cumsum(np.log(np.maximum(seen, 1)))
    log_ways = log_factorial[-1] - log_factorial - log_factorial[::-1]
    low, high = 0.0, 1.0
    while (share := (low + high) / 2) not in (low, high):
        log_chance = log_ways + seen * math.log(share) + (total - seen) * math.log1p(-share)
        if np.exp(log_chance[: count + 1]).sum() > (1 - LEVEL) / 2:
            low = share
        else:
            high = share
    return share


class Kappa(NamedTuple):
    """Agreement beyond chance: 1 is perfect, 0 what chance alone would give.

    The interval is the exact one of the observed agreement, in parts, carried over at the observed chance
    agreement; so it has a width even where agreement is perfect. Decisions on one part depend on each other,
    so that a part counts once however often it was judged.

    Attributes:
        value: in [-1, 1]; None where all decisions are alike, which leaves nothing to agree on.
        interval: 95 %, [low, high]; None likewise.
    """

    value: float | None
    interval: list[float] | None


def cohen_kappa(first: np.ndarray, second: np.ndarray) -> Kappa:
    """Agreement of two appraisers.

    Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement
    20, 1960.

    Args:
        first, second: float64 [parts] in [0, 1], the share of each one's decisions on a part that call it
            defective. With several trials every trial of one is compared with every one of the other.
    """
    return _kappa(first * second + (1 - first) * (1 - second), first, second)


def fleiss_kappa(defective: np.ndarray, decisions: np.ndarray) -> Kappa:
    """Agreement among all decisions on the same parts.

    Fleiss, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76, 1971.

    Args:
        defective: int64 [parts], how many decisions call the part defective.
        decisions: int64 [parts], how many there are, two or more.
    """
    disagreeing = 2 * defective * (decisions - defective) / (decisions * (decisions - 1))
    share = defective / decisions
    return _kappa(1 - disagreeing, share, share)


def _kappa(agreed: np.ndarray, first: np.ndarray, second: np.ndarray) -> Kappa:
    p, q, total = float(first.mean()), float(second.mean()), len(agreed)
    chance = p * q + (1 - p) * (1 - q)
    if 1 - chance < 1e-12:
        return Kappa(None, None)
    count = round(float(agreed.sum()), 9)
    low, high = exact_interval(math.floor(count), total)[0], exact_interval(math.ceil(count), total)[1]
    value, low, high = ((share - chance) / (1 - chance) for share in (count / total, low, high))
    return Kappa(value, [max(-1.0, low), high])


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for asking several questions at once, in the order given; None stays None.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979.
    """
    asked = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(asked):
        largest = max(largest, min(1.0, p * (len(asked) - rank)))
        corrected[index] = largest
    return corrected


def false_alarm_p(flagged: int, good: int, calibrated_on: int, rate: float) -> float:
    """Chance of at least so many false alarms where good images and calibration images are alike.

    A threshold from n calibration images has itself a random rate, Beta(r, n + 1 - r) distributed with
    r = floor(rate (n + 1)), so that the false alarms are beta-binomial.

    Args:
        flagged: false alarms among `good` images.
        calibrated_on: n, calibration images.
        rate: in force, at least 1 / (n + 1).
    """
    from scipy.stats import betabinom

    n = calibrated_on
    rank = int(np.count_nonzero(np.arange(1, n + 1) / (n + 1) <= rate))
    return float(betabinom(good, rank, n + 1 - rank).sf(flagged - 1))


def rank_correlation(scores: np.ndarray) -> float | None:
    """Mean Spearman correlation between seeds that follow each other, in [-1, 1], of scores [seeds, images].

    None with fewer than two seeds or three images, or where all images of a seed score alike.
    """
    from scipy.stats import spearmanr

    if len(scores) < 2 or scores.shape[1] < 3 or (np.ptp(scores, axis=1) == 0).any():
        return None
    return float(np.mean([spearmanr(one, other).statistic for one, other in pairwise(scores)]))


def robust_z(values: np.ndarray) -> np.ndarray:
    """How many standard deviations each value lies above the median, with 1.4826 times the median absolute
    deviation for one, which a few strange values do not move."""
    distance = values - np.median(values)
    deviation = 1.4826 * np.median(abs(distance))
    return np.asarray(distance / max(deviation, 1e-9))  # where half are equal, any other is far
