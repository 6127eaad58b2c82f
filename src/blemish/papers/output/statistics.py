"""Means, spreads and intervals of what was measured, and whether one row is better than another."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd

from blemish.comparison.recommendation import LEAST_TESTED, SIGNIFICANT
from blemish.errors import BlemishError
from blemish.evaluation.statistics import (
    ROUNDS,
    AUROCs,
    bootstrap_aurocs,
    delong,
    delong_p,
    holm,
    percentile_interval,
    resample,
)

Category = tuple[str, str]  # data set and name

RESAMPLED = 2_000_000  # images drawn at most for each interval, so that CIFAR10 takes seconds
FEWEST_ROUNDS = 400
FEWEST_CATEGORIES = 6  # with five, Wilcoxon's test cannot go below p = 0.06
OVER_CATEGORIES = "Wilcoxon's signed-rank test over categories"
OVER_IMAGES = "DeLong's test over test images"


class OnImages(NamedTuple):
    """All rows on the same test images.

    Attributes:
        draws: by row float64 [rounds], image AUROCs on resampled images; a resample is the same for all rows.
        aurocs: image AUROCs and their covariance, each [rows]; means over the seeds.
        fewest: images in the smaller class.
    """

    draws: dict[str, np.ndarray]
    aurocs: AUROCs
    fewest: int


def images_of(results: pd.DataFrame) -> dict[Category, OnImages]:
    """Statistics over test images, by category; those without good or without defective ones are left out.

    Args:
        results: as `blemish.papers.output.summary.Summary` has them.

    Raises:
        BlemishError: results of one category are of different test images.
    """
    categories = {
        category: of
        for category, of in results.groupby(["data", "category"], sort=False)
        if {0, 1} <= set(of["labels"].iloc[0])
    }
    most = max((len(of["labels"].iloc[0]) for of in categories.values()), default=1)
    rounds = max(FEWEST_ROUNDS, min(ROUNDS, RESAMPLED // most))
    return {category: _on_images(category, of, rounds) for category, of in categories.items()}


def _on_images(category: Category, results: pd.DataFrame, rounds: int) -> OnImages:
    labels = np.array(results["labels"].iloc[0])
    if any(list(other) != labels.tolist() for other in results["labels"]):
        raise BlemishError(
            f"The results of {category[1]} ({category[0]}) are of different test images; measure all rows "
            "again on the same ones."
        )
    scores = np.array(results["scores"].tolist(), np.float64)[:, None]
    good, defective = scores[..., labels == 0], scores[..., labels == 1]
    rows = list(results["row"].unique())
    mean = np.array([results["row"] == row for row in rows], np.float64)
    mean /= mean.sum(axis=1, keepdims=True)
    single = delong(good, defective)
    draws = bootstrap_aurocs(good, defective, rounds=rounds, seed=crc32("/".join(category).encode()))
    aurocs = AUROCs(mean @ single.values, mean @ single.covariance @ mean.T)
    fewest = min(good.shape[-1], defective.shape[-1])
    return OnImages(dict(zip(rows, mean @ draws, strict=True)), aurocs, fewest)


def values_of(results: pd.DataFrame, row: str, metric: str) -> pd.DataFrame:
    """A metric of one row: a line for each seed, a column for each category; what was not measured is NaN."""
    of = results[results["row"] == row]
    return of.pivot(index="seed", columns=["data", "category"], values=metric).dropna(axis=1, how="all")


def statistic(
    values: pd.DataFrame, categories: Sequence[Category], draws: Mapping[Category, np.ndarray]
) -> dict[str, Any]:
    """A category's statistic, or an average over several, for `Summary.cells`; empty where none is measured.

    Args:
        values: of one row and metric, see `values_of`.
        categories: what to average over.
        draws: by category float64 [rounds], the metric on resampled images, where there are any.
    """
    there = [category for category in categories if category in values]
    if not there:
        return {}
    by_seed = values[there].dropna().mean(axis=1)
    found = {
        "measured": values[there].mean().mean(),
        "sd": by_seed.std(),
        "seeds": len(by_seed),
        "categories_measured": len(there),
    }
    if all(category in draws for category in there):
        low, high = percentile_interval(np.mean([draws[category] for category in there], axis=0))
        if low < high:  # resampling cannot show how sure a perfect order is
            found |= {"low": low, "high": high}
    return found


def compare_rows(
    data: str, metric: str, values: Mapping[str, pd.DataFrame], images: Mapping[Category, OnImages]
) -> list[dict[str, Any]]:
    """All pairs of rows that have a category in common, as `Summary.pairs` has them.

    Args:
        data: name of the data set.
        metric: such as "image_auroc".
        values: of this metric, by row in their order, see `values_of`.
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
        draws = np.mean([one.draws[rows[0]] - one.draws[rows[1]] for one in on], axis=0)
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
    found = {"categories": count, "difference": float(differences.mean())}
    return found | {"interval": interval, "resampled": resampled, "p": p, "test": test, "why": why}


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
    values, covariance = np.zeros(2), np.zeros((2, 2))
    for one in on:
        chosen = [list(one.draws).index(row) for row in rows]
        values += one.aurocs.values[chosen] / len(on)
        covariance += one.aurocs.covariance[np.ix_(chosen, chosen)] / len(on) ** 2
    return delong_p(AUROCs(values, covariance), 0, 1)
