"""A table as Markdown."""

import re

from blemish.comparison.text import duration
from blemish.papers.output.gaps import sentence
from blemish.papers.output.layout import Grid, grids
from blemish.papers.output.numbers import NONE, coverage, number, signed, spread
from blemish.papers.output.summary import Cell, Summary
from blemish.papers.output.words import (
    DAGGER,
    corrections,
    family,
    pair_interval,
    pair_test,
    progress,
    reading,
    tests,
    total_time,
)
from blemish.papers.table import METRIC_NAMES


def to_markdown(summary: Summary) -> str:
    """Headings, notes and one table for each metric, in the paper's unit."""
    parts = [f"# {_plain(summary.title)}", f"{_plain(summary.source)}. {progress(summary)}"]
    if summary.changes:
        parts.append(f"**Otherwise than in the paper:** {_plain(' '.join(summary.changes))}")
    parts.append(
        f"Each cell: published / **measured** ± standard deviation / difference, in "
        f"{'percent' if summary.unit == 'percent' else 'fractions'}."
    )
    for grid in grids(summary):
        parts += [f"## {METRIC_NAMES[grid.metric]}", _table(grid, summary.unit)]
    parts.append(_list([*reading(summary), *corrections(summary)]))
    if summary.gaps:
        measured = [row.id for row in summary.rows if row.state != "quoted"]
        parts += ["## Missing", _list([sentence(gap, summary.names, measured) for gap in summary.gaps])]
    if summary.pairs:
        parts.append("## Differences between rows")
        parts += _pairs(summary)
    if summary.costs:
        parts += ["## Time", _costs(summary), total_time(summary)]
    notes = [f"{row.name}: {row.reading}" for row in summary.rows if row.reading]
    if summary.protocol or notes:
        parts += ["## How it is measured", _list([*summary.protocol, *notes])]
    return "\n\n".join(parts) + "\n"


def _table(grid: Grid, unit: str) -> str:
    lines = [[_plain(name), *(_cell(cell, unit) for cell in cells)] for name, cells in grid.lines]
    return _rows([grid.corner, *map(_plain, grid.heads)], lines)


def _cell(cell: Cell, unit: str) -> str:
    published = number(cell.published, unit) + (DAGGER if cell.corrected else "")
    measured = cell.measured
    if measured is None:
        return published
    text = f"**{number(measured.mean, unit)}**"
    if measured.sd is not None:
        text += f" ± {spread(measured.sd, unit)}"
    if not measured.complete:
        text += f" ({coverage(measured)})"
    difference = NONE if cell.difference is None else signed(cell.difference, unit)
    return f"{published} / {text} / {difference}"


def _pairs(summary: Summary) -> list[str]:
    names = summary.names
    parts = []
    for data, metric in dict.fromkeys((pair.data, pair.metric) for pair in summary.pairs):
        pairs = [pair for pair in summary.pairs if (pair.data, pair.metric) == (data, metric)]
        lines = [
            [
                f"{_plain(names[pair.first])} against {_plain(names[pair.second])}",
                signed(pair.difference, summary.unit),
                pair_interval(pair, summary.unit) or NONE,
                str(pair.categories),
                pair_test(pair),
            ]
            for pair in pairs
        ]
        heads = ["Rows", "Difference", "95 % interval", "Categories", "Test"]
        parts += [f"### {family(data, metric)}", _rows(heads, lines)]
        if said := tests(pairs):
            parts.append(said)
    return parts


def _costs(summary: Summary) -> str:
    lines = [
        [
            _plain(summary.names[cost.row]),
            str(cost.trainings),
            duration(cost.fit_seconds),
            duration(cost.seconds_per_epoch) if cost.seconds_per_epoch is not None else NONE,
            f"{cost.images / cost.score_seconds:.3g}" if cost.score_seconds else NONE,
        ]
        for cost in summary.costs
    ]
    return _rows(["Row", "Trainings", "Fitting", "An epoch", "Images scored per second"], lines)


def _rows(heads: list[str], lines: list[list[str]]) -> str:
    rule = [":---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, rule, *lines))


def _list(sentences: list[str]) -> str:
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


def _plain(text: str) -> str:
    """Words without meaning to Markdown, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#&~])", r"\\\1", " ".join(text.split()))
