"""Means, spreads and intervals of what was measured: over seeds, test images and categories."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd

from blemish.errors import BlemishError
from blemish.evaluation.statistics import ROUNDS, AUROCs, bootstrap_aurocs, delong, percentile_interval

Category = tuple[str, str]  # data set and name

RESAMPLED = 2_000_000  # images drawn at most for each interval, so that CIFAR10 takes seconds
FEWEST_ROUNDS = 400


class OnImages(NamedTuple):
    """All rows on the same test images.

    Attributes:
        rows: their ids.
        aurocs: image AUROCs and their covariance, each [rows]; means over the seeds.
        draws: float64 [rows, rounds], image AUROCs on resampled images; a resample is the same for all rows.
        fewest: images in the smaller class.
    """

    rows: list[str]
    aurocs: AUROCs
    draws: np.ndarray
    fewest: int

    def draws_of(self, row: str) -> np.ndarray:
        """float64 [rounds] of one row."""
        return self.draws[self.rows.index(row)]


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
    return OnImages(
        rows,
        AUROCs(mean @ single.values, mean @ single.covariance @ mean.T),
        mean @ draws,
        min(good.shape[-1], defective.shape[-1]),
    )


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
