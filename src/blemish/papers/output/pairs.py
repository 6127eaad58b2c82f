"""Whether one row of a table is better than another, on what both were measured on."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from blemish.comparison.recommendation import LEAST_TESTED, SIGNIFICANT
from blemish.evaluation.statistics import ROUNDS, AUROCs, delong_p, holm, percentile_interval, resample
from blemish.papers.output.aggregate import Category, OnImages

FEWEST_CATEGORIES = 6  # with five, Wilcoxon's test cannot go below p = 0.06
OVER_CATEGORIES = "Wilcoxon's signed-rank test over categories"
OVER_IMAGES = "DeLong's test over test images"


def compare_rows(
    data: str, metric: str, values: Mapping[str, pd.DataFrame], images: Mapping[Category, OnImages]
) -> list[dict[str, Any]]:
    """All pairs of rows that have a category in common, as `Summary.pairs` has them.

    Args:
        data: name of the data set.
        metric: such as "image_auroc".
        values: of this metric, by row in their order, see `blemish.papers.output.aggregate.values_of`.
        images: statistics over test images, by category.
    """
    pairs: list[dict[str, Any]] = []
    for first, second in combinations(values, 2):
        differences = (values[first].mean() - values[second].mean()).dropna()
        differences = differences[[category[0] == data for category in differences.index]]
        if len(differences):
            on = [images[category] for category in differences.index if category in images]
            on = on if metric == "image_auroc" else []
            pair: dict[str, Any] = {"data": data, "metric": metric, "first": first, "second": second}
            pairs.append(pair | _tested((first, second), differences.to_numpy(), on))
    for pair, p in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
        pair.update(p_corrected=p, significant=p is not None and p < SIGNIFICANT)
    return pairs


def _tested(rows: tuple[str, str], differences: np.ndarray, on: list[OnImages]) -> dict[str, Any]:
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
        p, test = _images_p(on, rows), OVER_IMAGES
    elif by_images:
        why = f"A test takes {LEAST_TESTED} good and {LEAST_TESTED} defective images or more."
    else:
        why = f"A test takes {FEWEST_CATEGORIES} categories or more."
    return {
        "categories": count,
        "difference": float(differences.mean()),
        "interval": interval,
        "resampled": resampled,
        "p": p,
        "test": test,
        "why": why,
    }


def wilcoxon_p(differences: np.ndarray) -> float:
    """Two-sided p-value of "no category is favoured".

    Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1(6), 1945.

    Args:
        differences: float64 [categories].
    """
    from scipy.stats import wilcoxon

    rounded = np.round(differences, 12)
    return float(wilcoxon(rounded).pvalue) if rounded.any() else 1.0


def _images_p(on: Sequence[OnImages], rows: tuple[str, str]) -> float | None:
    """DeLong's two-sided p-value of "equal mean AUROC"; categories count as independent."""
    values = np.zeros(2)
    covariance = np.zeros((2, 2))
    for one in on:
        chosen = [one.rows.index(row) for row in rows]
        values += one.aurocs.values[chosen] / len(on)
        covariance += one.aurocs.covariance[np.ix_(chosen, chosen)] / len(on) ** 2
    return delong_p(AUROCs(values, covariance), 0, 1)
