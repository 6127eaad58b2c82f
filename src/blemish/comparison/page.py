"""One self-contained HTML page about a comparison: no network, no scripts, no other files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from blemish.comparison.figures import interval_figure
from blemish.comparison.gallery import galleries
from blemish.comparison.recommendation import LEAST_TESTED, interval
from blemish.comparison.result import Comparison
from blemish.comparison.runs import Runs
from blemish.comparison.text import costs
from blemish.reports.gallery import legend
from blemish.reports.template import read_resource, render, write_page

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

SMALL = 64  # images up to this side are enlarged with sharp pixels


class Matrix(NamedTuple):
    """Differences between all pairs; `cells` by (row label, column label), row minus column."""

    measure: str
    cells: dict[tuple[str, str], dict[str, Any]]


def write_comparison(
    comparison: Comparison, runs: Runs, detectors: Mapping[str, "Detector"], path: Path
) -> None:
    """Write the page; the images of the galleries are scored once more for their pictures.

    Args:
        comparison: what was measured.
        runs: all models, by method.
        detectors: those of the first seed, by method.
        path: the HTML file; an existing one is replaced.
    """
    rows = [
        (row["label"], row["auroc"], row["auroc_interval"])
        for row in comparison.methods
        if row["auroc"] is not None
    ]
    html = render(
        "blemish.comparison",
        "page.html.j2",
        comparison=comparison,
        style=read_resource("blemish.reports", "page.css") + read_resource("blemish.comparison", "page.css"),
        figure=interval_figure(rows, comparison.recommendation["choice"], comparison.measure) if rows else "",
        costs={row["label"]: costs(row) for row in comparison.methods},
        spreads={row["label"]: _spread(row["auroc_seeds"]) for row in comparison.methods},
        intervals={row["label"]: interval(row["auroc_interval"]) for row in comparison.methods},
        kinds=list(comparison.methods[0]["kinds"]),
        matrices=[
            Matrix(measure, _cells(pairs)) for measure, pairs in comparison.differences.items() if pairs
        ],
        least_tested=LEAST_TESTED,
        galleries=galleries(runs, detectors),
        legend=legend(next(iter(detectors.values())).heat_scale),
        crisp=all(detector.frame.size <= SMALL for detector in detectors.values()),
    )
    write_page(path, html)


def _spread(values: list[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None


def _cells(pairs: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    cells = {}
    for pair in pairs:
        low, high = pair["interval"]
        mirrored = {"difference": -pair["difference"], "interval": [-high, -low]}
        cells[pair["first"], pair["second"]] = pair
        cells[pair["second"], pair["first"]] = pair | mirrored
    return cells
