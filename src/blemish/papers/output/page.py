"""One self-contained HTML page about a table: no network, no scripts, no other files."""

from functools import partial
from typing import NamedTuple

from blemish.comparison.recommendation import SIGNIFICANT
from blemish.comparison.text import duration
from blemish.papers.output.curves import learning_curves
from blemish.papers.output.figures import agreement_panels
from blemish.papers.output.gaps import sentence
from blemish.papers.output.layout import grids
from blemish.papers.output.numbers import NONE, coverage, interval, number, signed, spread
from blemish.papers.output.pairs import turned
from blemish.papers.output.summary import Cell, Summary
from blemish.papers.output.words import (
    DAGGER,
    corrections,
    family,
    intervals,
    pair_interval,
    pair_test,
    progress,
    reading,
    tests,
    total_time,
)
from blemish.papers.table import METRIC_NAMES
from blemish.reports.numbers import short_number
from blemish.reports.template import read_resource, render


class Shown(NamedTuple):
    """A cell in words; "" where there is nothing to say.

    Attributes:
        published, measured, spread, coverage, difference, interval: numbers as the page prints them.
        agreement: "inside", "outside" or "", of the published number and the interval.
    """

    published: str
    measured: str
    spread: str
    coverage: str
    difference: str
    interval: str
    agreement: str


class Difference(NamedTuple):
    """One row minus another, in words."""

    difference: str
    interval: str
    test: str
    significant: bool


class Family(NamedTuple):
    """Differences between all rows on one data set in one metric.

    Attributes:
        title: what was compared.
        rows: ids.
        cells: by ids of two rows, the first minus the second.
        note: what the tests cover.
    """

    title: str
    rows: list[str]
    cells: dict[tuple[str, str], Difference]
    note: str


class Bill(NamedTuple):
    """Costs of a row in words.

    Attributes:
        name: of the row.
        shared: names of rows that use the same trainings.
        share: of the dearest row's fitting time, in 0..100.
        trainings, fit, each, epochs, epoch, scoring, memory: numbers with units.
    """

    name: str
    shared: str
    share: float
    trainings: str
    fit: str
    each: str
    epochs: str
    epoch: str
    scoring: str
    memory: str


def to_html(summary: Summary) -> str:
    """The page."""
    measured = [row.id for row in summary.rows if row.state != "quoted"]
    return render(
        __package__,
        "page.html.j2",
        summary=summary,
        style=read_resource("blemish.reports", "page.css") + read_resource(__package__, "page.css"),
        progress=progress(summary),
        metric_names=METRIC_NAMES,
        grids=grids(summary),
        shown=partial(_shown, unit=summary.unit),
        reading=[*reading(summary), *intervals(summary)],
        corrections=corrections(summary),
        gaps=[sentence(gap, summary.names, measured) for gap in summary.gaps],
        panels=agreement_panels(summary),
        curves=learning_curves(summary),
        families=_families(summary),
        bills=_bills(summary),
        total=total_time(summary),
    )


def _shown(cell: Cell, unit: str) -> Shown:
    published = number(cell.published, unit) + (DAGGER if cell.corrected else "")
    found = cell.measured
    if found is None:
        return Shown(published, "", "", "", "", "", "")
    return Shown(
        published,
        number(found.mean, unit),
        "" if found.sd is None else spread(found.sd, unit),
        coverage(found),
        "" if cell.difference is None else signed(cell.difference, unit),
        "" if found.interval is None else interval(found.interval, unit),
        "" if cell.agrees is None else ("inside" if cell.agrees else "outside"),
    )


def _families(summary: Summary) -> list[Family]:
    found = []
    for data, metric in dict.fromkeys((pair.data, pair.metric) for pair in summary.pairs):
        pairs = [pair for pair in summary.pairs if (pair.data, pair.metric) == (data, metric)]
        cells = {}
        for pair in pairs:
            for one in (pair, turned(pair)):
                cells[one.first, one.second] = Difference(
                    signed(one.difference, summary.unit),
                    pair_interval(one, summary.unit),
                    pair_test(one),
                    one.p_corrected is not None and one.p_corrected < SIGNIFICANT,
                )
        rows = [row.id for row in summary.rows if any(row.id in key for key in cells)]
        tested = any(pair.p_corrected is not None for pair in pairs)
        note = tests(pairs) + (f" A star marks p below {SIGNIFICANT:g}." if tested else "")
        found.append(Family(family(data, metric), rows, cells, note))
    return found


def _bills(summary: Summary) -> list[Bill]:
    names = summary.names
    dearest = max((cost.fit_seconds for cost in summary.costs), default=0) or 1
    return [
        Bill(
            name=names[cost.row],
            shared=", ".join(names[row] for row in cost.shared_with),
            share=100 * cost.fit_seconds / dearest,
            trainings=str(cost.trainings),
            fit=duration(cost.fit_seconds),
            each=duration(cost.fit_seconds / cost.trainings),
            epochs=str(cost.epochs or NONE),
            epoch=NONE if cost.seconds_per_epoch is None else duration(cost.seconds_per_epoch),
            scoring=short_number(cost.images / cost.score_seconds) if cost.score_seconds else NONE,
            memory=NONE if cost.peak_memory_mb is None else f"{cost.peak_memory_mb:.0f} MB",
        )
        for cost in summary.costs
    ]
