"""From all fitted models to the table of methods and tested differences between them."""

from collections.abc import Sequence
from itertools import chain, combinations
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from blemish.comparison.fitting import FittedModel, Models
from blemish.comparison.recommendation import LEAST_TESTED, SIGNIFICANT
from blemish.evaluation.statistics import (
    bootstrap_aurocs,
    bootstrap_clustered,
    bootstrap_p,
    delong,
    delong_p,
    false_alarm_p,
    holm,
    percentile_interval,
    rank_correlation,
)

PIXEL_METRICS = ("auroc", "aupro_30", "aupro_05")


class Ranking(NamedTuple):
    """The AUROC that methods are ranked by.

    Attributes:
        values: float64 [methods].
        resamples: float64 [methods, rounds].
        p_values: by pair, in the order of `itertools.combinations`; None where images are too few to test.
    """

    values: np.ndarray
    resamples: np.ndarray
    p_values: list[float | None]


def rank_by_defects(models: Models) -> Ranking | None:
    """Image AUROC and DeLong's test; None where a class has no image that all methods scored."""
    rows = scored_by_all(models)
    labels = np.array([row["label"] for row in rows.values()])
    scores = _scores(models, list(rows))
    good, defective = scores[..., labels == 0], scores[..., labels == 1]
    if not good.shape[-1] or not defective.shape[-1]:
        return None
    aurocs = delong(good, defective)
    enough = min(good.shape[-1], defective.shape[-1]) >= LEAST_TESTED
    p_values = [delong_p(aurocs, *pair) if enough else None for pair in combinations(range(len(models)), 2)]
    return Ranking(aurocs.values, bootstrap_aurocs(good, defective), p_values)


def rank_by_synthetic(models: Models) -> Ranking | None:
    """AUROC of synthetic defects against their originals and a bootstrap test over originals."""
    groups: list[list[str]] = []  # an original and its copies, in the order in which they were drawn
    for path, row in next(iter(models.values()))[0].ranked.rows.items():
        if not row["label"]:
            groups.append([])
        if groups:
            groups[-1].append(path)
    size = max(map(len, groups), default=0)
    scored = scored_by_all(models)
    whole = [group for group in groups if len(group) == size > 1 and scored.keys() >= set(group)]
    if not whole:
        return None
    scores = _scores(models, list(chain(*whole))).reshape(len(models), -1, len(whole), size)
    clean, changed = scores[..., 0], scores[..., 1:]
    resamples = bootstrap_clustered(clean, changed)
    p_values: list[float | None] = [
        bootstrap_p(resamples[first] - resamples[second]) if len(whole) >= LEAST_TESTED else None
        for first, second in combinations(range(len(models)), 2)
    ]
    return Ranking(delong(clean, changed.reshape(*changed.shape[:2], -1)).values, resamples, p_values)


def scored_by_all(models: Models) -> dict[str, dict[str, Any]]:
    """The first model's rows of the images that every model scored."""
    tables = [model.ranked.rows for of in models.values() for model in of]
    return {path: row for path, row in tables[0].items() if all(path in table for table in tables)}


def _scores(models: Models, paths: list[str]) -> np.ndarray:
    """float64 [methods, seeds, images]."""
    return np.array(
        [[[model.ranked.rows[path]["score"] for path in paths] for model in of] for of in models.values()]
    )


def differences(labels: Sequence[str], ranking: Ranking) -> list[dict[str, Any]]:
    """One row per pair of methods, as `Comparison.differences` describes."""
    pairs = combinations(range(len(labels)), 2)
    return [
        {
            "first": labels[first],
            "second": labels[second],
            "difference": float(ranking.values[first] - ranking.values[second]),
            "interval": percentile_interval(ranking.resamples[first] - ranking.resamples[second]),
            "p": p,
            "p_corrected": corrected,
            "significant": corrected is not None and corrected < SIGNIFICANT,
        }
        for (first, second), p, corrected in zip(pairs, ranking.p_values, holm(ranking.p_values), strict=True)
    ]


def both_ways(pairs: Sequence[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Differences by the names of the two, the first minus the second, and the second minus the first."""
    found = {}
    for pair in pairs:
        bounds = [-bound for bound in reversed(pair["interval"] or ())]
        turned = {"difference": -pair["difference"], "interval": bounds}
        found[pair["first"], pair["second"]] = pair
        found[pair["second"], pair["first"]] = pair | turned
    return found


def method_table(
    models: Models, ranking: Ranking | None, speeds: dict[str, list[float]]
) -> list[dict[str, Any]]:
    """One row per method, as `Comparison.methods` describes."""
    rows = []
    for index, (label, of) in enumerate(models.items()):
        results = [model.test.result for model in of]
        ranked = [model.ranked.result.measured for model in of]
        first = results[0].measured
        alarms, calibrated_on = first["false_alarms"], first["calibrated_on"]
        p = false_alarm_p(alarms["flagged"], alarms["good_images"], calibrated_on, alarms["in_force"])
        memory = [one.peak_memory_mb for one in results if one.peak_memory_mb is not None]
        pixel = [one["pixel"] for one in ranked if one["pixel"] is not None]
        rows.append(
            {
                "label": label,
                "method": of[0].method.config.method,
                "preset": of[0].method.config.preset,
                "seeds": [model.seed for model in of],
                "models": [str(model.file) for model in of],
                "auroc": None if ranking is None else float(ranking.values[index]),
                "auroc_interval": None if ranking is None else percentile_interval(ranking.resamples[index]),
                "auroc_seeds": [one["image"]["auroc"] for one in ranked],
                "ap": _mean([one.measured["image"]["ap"] for one in results]),
                "f1_max": _mean([one.measured["image"]["f1_max"] for one in results]),
                "pixel": {key: _mean([one[key] for one in pixel]) for key in PIXEL_METRICS}
                if len(pixel) == len(of)
                else None,
                "aupro_seeds": [one["aupro_30"] for one in pixel],
                "kinds": {
                    kind: _mean([one["defects"][kind]["auroc"] for one in ranked])
                    for kind in ranked[0]["defects"]
                },
                "false_alarms": alarms | {"p": p, "unlike": _unlike(alarms), "calibrated_on": calibrated_on},
                "detected": first["detected"],
                "stability": _stability(of),
                "fit_seconds": _mean([one.fit_seconds for one in results]),
                "peak_memory_mb": max(memory, default=None),
                "model_bytes": max(one.model_bytes for one in results),
                "images_per_second": median(speeds[label]),
                "turns": speeds[label],
            }
        )
    return rows


def _unlike(alarms: dict[str, Any]) -> str:
    low, high = alarms["interval"] or (0, 1)
    return "more" if low > alarms["in_force"] else "fewer" if high < alarms["in_force"] else ""


def _stability(of: list[FittedModel]) -> float | None:
    good = [{path: row["score"] for path, row in one.test.rows.items() if not row["label"]} for one in of]
    paths = [path for path in good[0] if all(path in table for table in good)]
    return rank_correlation(np.array([[table[path] for path in paths] for table in good], np.float64))


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if len(numbers) == len(values) else None
