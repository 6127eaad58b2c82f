"""Means, spreads and intervals of what was measured: over seeds, test images and categories."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import numpy as np

from blemish.errors import BlemishError
from blemish.evaluation.statistics import ROUNDS, AUROCs, bootstrap_aurocs, delong, percentile_interval
from blemish.papers.measured import Measured

Place = tuple[str, str]  # data, category
Values = dict[Place, dict[int, float]]  # by place and seed, of one row and metric

RESAMPLED = 2_000_000  # images drawn at most for each interval, so that CIFAR10 takes seconds
FEWEST_ROUNDS = 400


@dataclass(frozen=True)
class Statistic:
    """A metric of one row on a category or on average over several, in fractions.

    Attributes:
        mean: over the seeds of each category, then over the categories measured.
        sd: over `seeds`, with n - 1; None for one alone.
        interval: 95 %, for other test images of this kind and number; None for metrics of pixels, and where
            resampling cannot show any: every image is in perfect order.
        seeds: (seed, value) for each that all of the categories measured have.
        of, categories: how many categories are measured, and how many there are.
    """

    mean: float
    sd: float | None
    interval: list[float] | None
    seeds: tuple[tuple[int, float], ...]
    of: int
    categories: int

    @property
    def complete(self) -> bool:
        """Whether no category is missing."""
        return self.of == self.categories


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


def values_of(measured: Iterable[Measured], metric: str) -> dict[str, Values]:
    """Values of a metric by row, category and seed; those that could not be measured are left out."""
    found: dict[str, Values] = {}
    for one in measured:
        value = one.metrics.get(metric)
        if value is not None:
            found.setdefault(one.row, {}).setdefault((one.data, one.category), {})[one.seed] = value
    return found


def images_of(measured: Iterable[Measured]) -> dict[Place, OnImages]:
    """Statistics over test images, by place; places without good or without defective images are left out.

    Raises:
        BlemishError: results of one place are of different test images.
    """
    by_place: dict[Place, list[Measured]] = {}
    for one in measured:
        by_place.setdefault((one.data, one.category), []).append(one)
    usable = {
        place: of
        for place, of in by_place.items()
        if {0, 1} <= set(of[0].labels) and len(of[0].labels) == len(of[0].scores)
    }
    most = max((len(of[0].labels) for of in usable.values()), default=1)
    rounds = max(FEWEST_ROUNDS, min(ROUNDS, RESAMPLED // most))
    return {place: _on_images(place, of, rounds) for place, of in usable.items()}


def _on_images(place: Place, measured: list[Measured], rounds: int) -> OnImages:
    if any(one.labels != measured[0].labels for one in measured):
        raise BlemishError(
            f"The results of {place[1]} ({place[0]}) are of different test images; measure all rows again on "
            "the same ones."
        )
    labels = np.array(measured[0].labels)
    scores = np.array([one.scores for one in measured], np.float64)[:, None]
    good, defective = scores[..., labels == 0], scores[..., labels == 1]
    rows = list(dict.fromkeys(one.row for one in measured))
    mean = np.array([[one.row == row for one in measured] for row in rows], np.float64)
    mean /= mean.sum(axis=1, keepdims=True)
    single = delong(good, defective)
    draws = bootstrap_aurocs(good, defective, rounds=rounds, seed=crc32("/".join(place).encode()))
    return OnImages(
        rows,
        AUROCs(mean @ single.values, mean @ single.covariance @ mean.T),
        mean @ draws,
        min(good.shape[-1], defective.shape[-1]),
    )


def statistic(
    values: Values, places: Sequence[Place], draws: Mapping[Place, np.ndarray] | None = None
) -> Statistic | None:
    """A category's statistic, or an average over several; None where none is measured.

    Args:
        values: of one row and metric.
        places: what to average over.
        draws: by place float64 [rounds], the metric on resampled images; None where there are none.
    """
    there = [place for place in places if place in values]
    if not there:
        return None
    common = sorted(set.intersection(*(set(values[place]) for place in there)))
    seeds = tuple((seed, float(np.mean([values[place][seed] for place in there]))) for seed in common)
    interval = None
    if draws is not None and all(place in draws for place in there):
        low, high = percentile_interval(np.mean([draws[place] for place in there], axis=0))
        interval = [low, high] if low < high else None
    return Statistic(
        mean=float(np.mean([np.mean(list(values[place].values())) for place in there])),
        sd=float(np.std([value for _, value in seeds], ddof=1)) if len(seeds) > 1 else None,
        interval=interval,
        seeds=seeds,
        of=len(there),
        categories=len(places),
    )
