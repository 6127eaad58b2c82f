"""The acceptance as one HTML page to print and sign, and as JSON beside it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blemish.acceptance.measure import Acceptance
from blemish.datasets.golden import GoldenSet
from blemish.evaluation.evaluate import Evaluation
from blemish.reports.gallery import Gallery, Row, are_small, labelled_card, legend, most_hidden
from blemish.reports.numbers import fraction
from blemish.reports.page import score_histogram
from blemish.reports.template import render, write_text

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

NEAREST = 6  # pictures rightly judged, shown for how near to the threshold they are


def write_acceptance(
    acceptance: Acceptance,
    limits: Sequence[dict[str, Any]],
    evaluation: Evaluation,
    detector: "Detector",
    golden: GoldenSet,
    path: Path,
) -> None:
    """Write the page, and the numbers as JSON under the same name; existing files are replaced.

    The pictures on the page are scored once more to be drawn.

    Args:
        acceptance, evaluation: what `blemish.acceptance.measure.measure` gave for detector and golden set.
        limits: what `blemish.acceptance.limits.judge` gave; perhaps none.
        path: the HTML file.

    Raises:
        BlemishError: a file cannot be written.
    """
    accepted = all(row["kept"] for row in limits) if limits else None
    numbers = {"accepted": accepted, "limits": list(limits), **asdict(acceptance)}
    galleries, sizes = _galleries(evaluation, detector, golden, acceptance.rate["in_force"] or 0.0)
    html = render(
        "blemish.acceptance",
        acceptance=acceptance,
        accepted=accepted,
        limits=limits,
        pictures=len(evaluation.images),
        kappa=_kappa,
        histogram=score_histogram(evaluation),
        galleries=galleries,
        crisp=are_small(sizes),
        hidden=most_hidden(sizes, detector.frame),
        scale=detector.heat_scale,
        legend=legend(detector.heat_scale),
    )
    write_text(path.with_suffix(".json"), json.dumps(numbers, indent=2) + "\n")
    write_text(path, html)


def _galleries(
    evaluation: Evaluation, detector: "Detector", golden: GoldenSet, rate: float
) -> tuple[list[Gallery], set[tuple[int, int]]]:
    """Every picture that was judged wrongly, those nearest to being so, and all their sizes."""
    ranked = sorted(evaluation.images, key=lambda row: (row["score"], row["path"]))
    right = [row for row in ranked if row["label"] == row["is_anomalous"]]
    chosen = {
        "Missed": [row for row in ranked if row["label"] and not row["is_anomalous"]],
        "False alarms": [row for row in ranked[::-1] if not row["label"] and row["is_anomalous"]],
        "Rightly judged, nearest to the threshold": sorted(
            right, key=lambda row: (abs(row["p_value"] - rate), abs(row["score"] - evaluation.threshold))
        )[:NEAREST],
    }
    galleries, sizes = [], set()
    for title, rows in chosen.items():
        cards = []
        for row, result in zip(rows, detector.predict_many([row["path"] for row in rows]), strict=True):
            if result.size is not None:
                cards.append(replace(labelled_card(row, result, detector), name=golden.relative(row["path"])))
                sizes.add(result.size)
        galleries.append(Gallery(title, f"{len(rows) or 'No'} picture{'s' * (len(rows) != 1)}.", cards))
    return galleries, sizes


def _kappa(row: Row) -> str:
    """A kappa as "0.95 (0.88 to 0.99)"."""
    if row["kappa"] is None:
        return "n/a"
    low, high = row["kappa_interval"]
    return f"{fraction(row['kappa'])} ({fraction(low)} to {fraction(high)})"
