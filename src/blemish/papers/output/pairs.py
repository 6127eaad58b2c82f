"""Whether one row of a table is better than another, on what both were measured on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from blemish.comparison.recommendation import LEAST_TESTED
from blemish.evaluation.statistics import (
    ROUNDS,
    AUROCs,
    delong_p,
    holm,
    percentile_interval,
    resample,
)
from blemish.papers.output.aggregate import OnImages, Place, Values

FEWEST_CATEGORIES = 6  # with five, Wilcoxon's test cannot go below p = 0.06
OVER_CATEGORIES = "Wilcoxon's signed-rank test over categories"
OVER_IMAGES = "DeLong's test over test images"


@dataclass(frozen=True)
class Pair:
    """Two rows, `first` minus `second`.

    Attributes:
        data, metric: on what.
        first, second: ids of the rows.
        categories: that both have.
        difference: mean over the categories, of means over seeds.
        interval: 95 %; None where there is too little to resample.
        resampled: "test images" or "categories", what the interval is over; "" without one.
        p, p_corrected: two-sided, the latter corrected for all pairs of this data and metric (Holm).
        test: `OVER_CATEGORIES`, `OVER_IMAGES` or "".
        why: without a p, a sentence.
    """

    data: str
    metric: str
    first: str
    second: str
    categories: int
    difference: float
    interval: list[float] | None
    resampled: str
    p: float | None
    test: str
    why: str
    p_corrected: float | None = None


def compare_rows(
    data: str,
    metric: str,
    rows: Sequence[str],
    values: Mapping[str, Values],
    images: Mapping[Place, OnImages],
) -> list[Pair]:
    """All pairs of rows that have a category in common.

    Args:
        data: name of the data set.
        metric: such as "image_auroc".
        rows: ids in their order.
        values: of this metric, by row.
        images: statistics over test images, by place.
    """
    pairs = []
    for first, second in combinations([row for row in rows if row in values], 2):
        places = [place for place in values[first] if place[0] == data and place in values[second]]
        if places:
            on = [images[place] for place in places if place in images] if metric == "image_auroc" else []
            differences = np.array(
                [_mean(values[first][place]) - _mean(values[second][place]) for place in places]
            )
            pairs.append(_pair(data, metric, (first, second), differences, on))
    corrected = holm([pair.p for pair in pairs])
    return [replace(pair, p_corrected=p) for pair, p in zip(pairs, corrected, strict=True)]


def _pair(data: str, metric: str, rows: tuple[str, str], differences: np.ndarray, on: list[OnImages]) -> Pair:
    count = len(differences)
    enough = count >= FEWEST_CATEGORIES
    by_images = len(on) == count
    interval, resampled = None, ""
    if by_images:
        draws = np.mean([one.draws_of(rows[0]) - one.draws_of(rows[1]) for one in on], axis=0)
        interval, resampled = percentile_interval(draws), "test images"
    elif enough:
        times = resample(np.random.default_rng(0), ROUNDS, count)
        interval, resampled = percentile_interval(times @ differences / count), "categories"
    p, test, why = None, "", ""
    if enough:
        p, test = wilcoxon_p(differences), OVER_CATEGORIES
    elif by_images and min(one.fewest for one in on) >= LEAST_TESTED:
        p, test = images_p(on, rows), OVER_IMAGES
    elif by_images:
        why = f"A test takes {LEAST_TESTED} good and {LEAST_TESTED} defective images or more."
    else:
        why = f"A test takes {FEWEST_CATEGORIES} categories or more."
    return Pair(data, metric, *rows, count, float(differences.mean()), interval, resampled, p, test, why)


def turned(pair: Pair) -> Pair:
    """The same, second minus first."""
    bounds = None if pair.interval is None else [-pair.interval[1], -pair.interval[0]]
    return replace(pair, first=pair.second, second=pair.first, difference=-pair.difference, interval=bounds)


def wilcoxon_p(differences: np.ndarray) -> float:
    """Two-sided p-value of "no category is favoured".

    Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1(6), 1945.

    Args:
        differences: float64 [categories].
    """
    from scipy.stats import wilcoxon

    rounded = np.round(differences, 12)
    return float(wilcoxon(rounded).pvalue) if rounded.any() else 1.0


def images_p(on: Sequence[OnImages], rows: tuple[str, str]) -> float | None:
    """DeLong's two-sided p-value of "equal mean AUROC". Categories count as independent.

    Args:
        on: statistics of one or several categories.
        rows: ids of the two rows.
    """
    values = np.zeros(2)
    covariance = np.zeros((2, 2))
    for one in on:
        chosen = [one.rows.index(row) for row in rows]
        values += one.aurocs.values[chosen] / len(on)
        covariance += one.aurocs.covariance[np.ix_(chosen, chosen)] / len(on) ** 2
    return delong_p(AUROCs(values, covariance), 0, 1)


def _mean(by_seed: Mapping[int, float]) -> float:
    return float(np.mean(list(by_seed.values())))
