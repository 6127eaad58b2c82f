"""From the runs of all methods to tables and tested differences."""

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from blemish.comparison.recommendation import LEAST_TESTED, SIGNIFICANT
from blemish.comparison.runs import Run, Runs
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


class Ranking(NamedTuple):
    """The measure that methods are ranked by.

    Attributes:
        values: float64 [methods].
        resamples: float64 [methods, rounds].
        p_values: by pair, in the order of `itertools.combinations`; None where images are too few to test.
    """

    values: np.ndarray
    resamples: np.ndarray
    p_values: list[float | None]


def rank_by_defects(runs: Runs) -> Ranking | None:
    """Image AUROC and DeLong's test; None where a class has no image that all methods scored."""
    scores, labels = _common_scores(runs)
    good, defective = scores[..., labels == 0], scores[..., labels == 1]
    if not good.shape[-1] or not defective.shape[-1]:
        return None
    aurocs = delong(good, defective)
    enough = min(good.shape[-1], defective.shape[-1]) >= LEAST_TESTED
    p_values = [delong_p(aurocs, *pair) if enough else None for pair in combinations(range(len(runs)), 2)]
    return Ranking(aurocs.values, bootstrap_aurocs(good, defective), p_values)


def rank_by_synthetic(runs: Runs) -> Ranking | None:
    """AUROC of synthetic defects against their originals and a bootstrap test over originals."""
    tables = [[run.ranked_rows for run in of] for of in runs.values()]
    order = list(next(iter(runs.values()))[0].ranked_rows.values())
    starts = [index for index, row in enumerate(order) if not row["label"]]
    groups = [order[start:end] for start, end in zip(starts, [*starts[1:], len(order)], strict=True)]
    copies = max((len(group) for group in groups), default=0)
    whole = [
        [row["path"] for row in group]
        for group in groups
        if len(group) == copies > 1
        and all(row["path"] in table for of in tables for table in of for row in group)
    ]
    if not whole:
        return None
    scores = np.array(
        [[[[table[path]["score"] for path in group] for group in whole] for table in of] for of in tables]
    )
    clean, changed = scores[..., 0], scores[..., 1:]
    flat = changed.reshape(*changed.shape[:2], -1)
    resamples = bootstrap_clustered(clean, changed)
    p_values: list[float | None] = [
        bootstrap_p(resamples[first] - resamples[second]) if len(whole) >= LEAST_TESTED else None
        for first, second in combinations(range(len(runs)), 2)
    ]
    return Ranking(delong(clean, flat).values, resamples, p_values)


def differences(labels: list[str], ranking: Ranking) -> list[dict[str, Any]]:
    """One row per pair of methods, as `Comparison.differences` describes."""
    corrected = holm(ranking.p_values)
    rows = []
    for index, (first, second) in enumerate(combinations(range(len(labels)), 2)):
        p = corrected[index]
        rows.append(
            {
                "first": labels[first],
                "second": labels[second],
                "difference": float(ranking.values[first] - ranking.values[second]),
                "interval": percentile_interval(ranking.resamples[first] - ranking.resamples[second]),
                "p": ranking.p_values[index],
                "p_corrected": p,
                "significant": p is not None and p < SIGNIFICANT,
            }
        )
    return rows


def method_table(runs: Runs, ranking: Ranking | None, speeds: dict[str, float]) -> list[dict[str, Any]]:
    """One row per method, as `Comparison.methods` describes."""
    rows = []
    for index, (label, of) in enumerate(runs.items()):
        measured = [run.ranked for run in of]
        kinds = measured[0]["defects"]
        memory = [run.result.peak_memory_mb for run in of if run.result.peak_memory_mb is not None]
        rows.append(
            {
                "label": label,
                "method": label.partition(":")[0],
                "preset": of[0].entry.config.preset,
                "seeds": [run.seed for run in of],
                "models": [str(run.model) for run in of],
                "auroc": None if ranking is None else float(ranking.values[index]),
                "auroc_interval": None if ranking is None else percentile_interval(ranking.resamples[index]),
                "auroc_seeds": [one["image"]["auroc"] for one in measured],
                "ap": _mean([run.result.measured["image"]["ap"] for run in of]),
                "f1_max": _mean([run.result.measured["image"]["f1_max"] for run in of]),
                "pixel": _pixel(measured),
                "kinds": {kind: _mean([one["defects"][kind]["auroc"] for one in measured]) for kind in kinds},
                "false_alarms": _false_alarms(of[0]),
                "detected": of[0].result.measured["detected"],
                "stability": _stability(of),
                "fit_seconds": _mean([run.result.fit_seconds for run in of]),
                "peak_memory_mb": max(memory, default=None),
                "model_bytes": max(run.result.model_bytes for run in of),
                "images_per_second": speeds[label],
            }
        )
    return rows


def _common_scores(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """Scores [methods, seeds, images] of the images that every model scored, and labels [images]."""
    tables = [[run.rows for run in of] for of in runs.values()]
    paths = [path for path in tables[0][0] if all(path in table for of in tables for table in of)]
    scores = [[[table[path]["score"] for path in paths] for table in of] for of in tables]
    return np.array(scores, np.float64), np.array([tables[0][0][path]["label"] for path in paths])


def _false_alarms(run: Run) -> dict[str, Any]:
    measured = run.result.measured
    alarms = measured["false_alarms"]
    p = false_alarm_p(alarms["flagged"], alarms["good_images"], measured["calibrated_on"], alarms["in_force"])
    return alarms | {"p": p}


def _stability(of: list[Run]) -> float | None:
    good = [{path: row["score"] for path, row in run.rows.items() if not row["label"]} for run in of]
    paths = [path for path in good[0] if all(path in table for table in good)]
    return rank_correlation(np.array([[table[path] for path in paths] for table in good], np.float64))


def _pixel(measured: list[dict[str, Any]]) -> dict[str, float | None] | None:
    if any(one["pixel"] is None for one in measured):
        return None
    return {key: _mean([one["pixel"][key] for one in measured]) for key in ("auroc", "aupro_30", "aupro_05")}


def _mean(values: list[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if len(numbers) == len(values) else None
