"""One self-contained HTML page about a table: no network, no scripts, no other files."""

import math
from functools import partial
from itertools import takewhile
from typing import Any

import pandas as pd

from blemish.comparison.ranking import both_ways
from blemish.papers.output import text
from blemish.papers.output.summary import Summary
from blemish.papers.table import METRIC_NAMES
from blemish.reports.charts import Dot, dot_chart, learning_curves, line_sample
from blemish.reports.template import render

MOST_PANELS = 6

Panel = tuple[str, str]  # a heading, and a drawing as SVG text


def to_html(summary: Summary) -> str:
    """The page."""
    return render(
        __package__,
        summary=summary,
        table=summary.table,
        text=text,
        metric_names=METRIC_NAMES,
        panels=_agreement(summary),
        curves=_learning_curves(summary),
        both_ways=both_ways,
        costs=text.costs(summary),
        has=pd.notna,
    )


def _agreement(summary: Summary) -> list[Panel]:
    """Published and measured, for each metric by row or by column, whichever makes fewer drawings."""
    rows, columns = summary.names, {column.id: column.label for column in summary.columns}
    cells, unit = summary.cells, summary.table.unit
    whole = cells[cells["categories_measured"] == cells["categories"]]
    panels = []
    for metric, shown in whole.groupby("metric", sort=False):
        by_row = shown["row"].nunique() <= shown["column"].nunique()
        lowest = float(shown[["measured", "low", "published"]].min(axis=None))
        for _, group in shown.groupby("row" if by_row else "column", sort=False):
            dots = [
                Dot(
                    columns[cell.column] if by_row else rows[cell.row],
                    cell.measured,
                    None if math.isnan(cell.low) else (cell.low, cell.high),
                    None if math.isnan(cell.published) else cell.published,
                )
                for cell in group.itertuples()
            ]
            first = group.iloc[0]
            title = f"{rows[first['row']] if by_row else columns[first['column']]}, {METRIC_NAMES[metric]}"
            description, number = f"{title}: published and measured", partial(text.number, unit=unit)
            panels.append((title, dot_chart(description, dots, lowest, unit, number)))
    return panels


def _learning_curves(summary: Summary) -> dict[str, Any]:
    """Panels for the first categories, with a line for each training; a legend, and how many are left out.

    Rows may share a training.
    """
    results = summary.results.assign(losses=summary.results["curve"].map(_losses))
    trained = results[results["losses"].map(len) > 1]
    fits = trained.drop_duplicates("fit")
    firsts = dict(zip(fits["fit"], fits["row"], strict=True))
    sharing = trained.groupby(trained["fit"].map(firsts), sort=False)["row"].unique()
    styles = {first: number for number, first in enumerate(sharing.index)}
    panels: list[Panel] = []
    categories = fits.groupby(["data", "category"], sort=False)
    for (data, category), here in categories:
        title = f"{category} ({data})" if fits["data"].nunique() > 1 else category
        groups = {styles[row]: list(of["losses"]) for row, of in here.groupby("row", sort=False)}
        if len(panels) < MOST_PANELS:
            panels.append((title, learning_curves(f"{title}: validation loss by epoch", groups)))
    legend = [
        (line_sample(styles[first]), ", ".join(summary.names[row] for row in rows))
        for first, rows in sharing.items()
    ]
    return {"panels": panels, "legend": legend, "left_out": len(categories) - len(panels)}


def _losses(curve: list[dict[str, float]]) -> list[float]:
    """Validation losses of the epochs, up to the first that is not finite."""
    losses = (epoch["validation_loss"] for epoch in curve)
    return list(takewhile(lambda loss: loss is not None and math.isfinite(loss), losses))
