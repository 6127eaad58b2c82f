"""One self-contained HTML page about a comparison: no network, no scripts, no other files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blemish.comparison.fitting import Models
from blemish.comparison.gallery import galleries
from blemish.comparison.ranking import both_ways
from blemish.comparison.recommendation import LEAST_TESTED
from blemish.comparison.result import Comparison
from blemish.comparison.text import costs
from blemish.reports.charts import Dot, dot_chart
from blemish.reports.gallery import legend
from blemish.reports.numbers import fraction, interval
from blemish.reports.template import render, write_page

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

SMALL = 64  # images up to this side are enlarged with sharp pixels


def write_comparison(
    comparison: Comparison, models: Models, detectors: Mapping[str, "Detector"], path: Path
) -> None:
    """Write the page; the images of the galleries are scored once more for their pictures.

    Args:
        comparison: what was measured.
        models: all of them, by method.
        detectors: those of the first seed, by method.
        path: the HTML file; an existing one is replaced.
    """
    html = render(
        "blemish.comparison",
        comparison=comparison,
        chart=_chart(comparison),
        costs=costs,
        spread=_spread,
        interval=interval,
        names={row["label"]: row["label"] for row in comparison.methods},
        pairs=both_ways(comparison.differences),
        least_tested=LEAST_TESTED,
        galleries=galleries(models, detectors),
        legend=legend(next(iter(detectors.values())).heat_scale),
        crisp=all(detector.frame.size <= SMALL for detector in detectors.values()),
    )
    write_page(path, html)


def _chart(comparison: Comparison) -> str:
    choice = comparison.recommendation["choice"]
    dots = [
        Dot(row["label"], row["auroc"], row["auroc_interval"], strong=row["label"] == choice)
        for row in comparison.methods
        if row["auroc"] is not None
    ]
    if not dots:
        return ""
    lowest = min(row["auroc_interval"][0] for row in comparison.methods)
    description = f"{comparison.measure} of each method with its 95 % interval"
    return dot_chart(description, dots, lowest, comparison.measure, fraction)


def _spread(values: list[float | None]) -> str:
    """The standard deviation over the seeds; "" for one seed."""
    numbers = [value for value in values if value is not None]
    return f" ± {fraction(float(np.std(numbers, ddof=1)))}" if len(numbers) > 1 else ""
