"""A table's files: Markdown, CSV, LaTeX and a page."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from blemish.papers.output import text
from blemish.papers.output.page import to_html
from blemish.papers.output.summary import Summary
from blemish.papers.table import METRIC_NAMES
from blemish.reports.numbers import MINUS, p_value, signed
from blemish.reports.template import write_text

CSV_COLUMNS = (
    "kind", "table", "row", "row_name", "column", "metric", "published", "printed", "corrected",
    "measured", "sd", "low", "high", "difference", "categories_measured", "categories",
    "data", "category", "seed", "value", "fit_seconds", "score_seconds", "fingerprint",
)  # fmt: skip
LATEX = str.maketrans(
    {
        "\N{PLUS-MINUS SIGN}": r"$\pm$",
        "\N{MULTIPLICATION SIGN}": r"$\times$",
        "\N{EN DASH}": "--",
        MINUS: "$-$",
        "\N{GREEK SMALL LETTER ALPHA}": r"$\alpha$",
        text.DAGGER: r"$^\dagger$",
    }
)


def write_outputs(summary: Summary, folder: Path) -> list[Path]:
    """Write NAME.md, NAME.csv, NAME.tex and NAME.html to a folder; older ones are replaced, each whole."""
    paths = []
    for suffix, convert in ((".md", to_markdown), (".csv", to_csv), (".tex", to_latex), (".html", to_html)):
        paths.append(folder / f"{summary.table.name}{suffix}")
        write_text(paths[-1], convert(summary))
    return paths


def to_csv(summary: Summary) -> str:
    """Lines of kind "cell" are numbers of the table as fractions ("printed" as the paper has it).

    Lines of kind "result" are metrics of one category and seed, from which the measured means and standard
    deviations can be computed again.
    """
    cells = summary.cells.assign(kind="cell")
    results = summary.results.assign(kind="result").melt(
        [name for name in CSV_COLUMNS if name == "kind" or name in summary.results],
        list(summary.table.metrics),
        "metric",
    )
    frame = pd.concat([cells, results], ignore_index=True).astype(
        dict.fromkeys(("seed", "categories_measured", "categories"), "Int64")
    )
    frame["table"], frame["row_name"] = summary.table.name, frame["row"].map(summary.names)
    return str(frame.to_csv(columns=CSV_COLUMNS, index=False))


def to_latex(summary: Summary) -> str:
    r"""One `table` environment for each metric, published / measured; needs \usepackage{booktabs}."""
    unit = summary.table.unit
    parts = []
    for grid in text.grids(summary):
        frame = pd.DataFrame(
            [[_cell(cell, unit) for cell in cells] for _, cells in grid.lines],
            index=[name for name, _ in grid.lines],
            columns=grid.heads,
        )
        caption = (
            f"{summary.table.title} ({summary.table.source}): {METRIC_NAMES[grid.metric]} "
            f"{'in percent' if unit == 'percent' else 'as a fraction'}, published / measured. "
            + " ".join([*summary.changes, *text.reading(summary), *text.corrections(summary)])
        )
        label = f"tab:{summary.table.name}-{grid.metric.replace('_', '-')}"
        alignment = "l" + "r" * len(grid.heads)
        plain = re.sub(r"([&%$#_{}])", r"\\\1", " ".join(caption.split()))
        parts.append(frame.to_latex(escape=True, caption=plain, label=label, column_format=alignment))
    return "\n".join(parts).translate(LATEX)


def to_markdown(summary: Summary) -> str:
    """Headings, notes and one table for each metric, in the paper's unit."""
    table, unit = summary.table, summary.table.unit
    parts = [f"# {_plain(table.title)}", f"{_plain(table.source)}. {text.progress(summary)}"]
    if summary.changes:
        parts.append(f"**Otherwise than in the paper:** {_plain(' '.join(summary.changes))}")
    parts.append(
        "Each cell: published / **measured** ± standard deviation / difference, in "
        f"{'percent' if unit == 'percent' else 'fractions'}."
    )
    for grid in text.grids(summary):
        lines = [[_plain(name), *(_cell(cell, unit, "**") for cell in cells)] for name, cells in grid.lines]
        parts += [f"## {METRIC_NAMES[grid.metric]}", _rows([grid.corner, *map(_plain, grid.heads)], lines)]
    parts.append(_list([*text.reading(summary), *text.corrections(summary)]))
    if summary.missing:
        parts += ["## Missing", _list(text.missing_results(table, summary.missing))]
    for title, pairs in text.families(summary).items():
        parts += [f"## Differences between rows: {title}", _pairs(summary, pairs), text.tests(pairs)]
    if costs := text.costs(summary):
        heads = ["Row", "Trainings", "Fitting", "An epoch", "Images scored per second"]
        lines = [
            [_plain(one["name"]), *(one[key] for key in ("trainings", "fit", "epoch", "speed"))]
            for one in costs
        ]
        parts += ["## Time", _rows(heads, lines), text.total_time(summary)]
    notes = [f"{row.name}: {row.reading}" for row in table.rows if row.reading]
    if table.protocol or notes:
        parts += ["## How it is measured", _list([*table.protocol, *notes])]
    return "\n\n".join(filter(None, parts)) + "\n"


def _cell(cell: Any, unit: str, strong: str = "") -> str:
    """A cell; between two signs that make the measured number strong, in Markdown with the difference."""
    shown = text.published(cell, unit)
    if pd.isna(cell.measured):
        return shown
    shown += f" / {strong}{text.number(cell.measured, unit)}{strong}"
    if pd.notna(cell.sd):
        shown += f" ± {text.number(cell.sd, unit)}"
    if coverage := text.coverage(cell):
        shown += f" ({coverage})"
    difference = text.NONE if pd.isna(cell.difference) else signed(cell.difference, unit=unit)
    return f"{shown} / {difference}" if strong else shown


def _pairs(summary: Summary, pairs: Sequence[Any]) -> str:
    names, unit = summary.names, summary.table.unit
    lines = [
        [
            f"{_plain(names[pair['first']])} against {_plain(names[pair['second']])}",
            signed(pair["difference"], unit=unit),
            " to ".join(signed(bound, unit=unit) for bound in pair["interval"] or ()) or text.NONE,
            str(pair["categories"]),
            "" if pair["p"] is None else p_value(pair["p_corrected"]),
        ]
        for pair in pairs
    ]
    return _rows(["Rows", "Difference", "95 % interval", "Categories", "Test"], lines)


def _rows(heads: list[str], lines: list[list[str]]) -> str:
    rule = [":---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, rule, *lines))


def _list(sentences: list[str]) -> str:
    return "\n".join(f"- {_plain(sentence)}" for sentence in sentences)


def _plain(words: str) -> str:
    """Words without meaning to Markdown, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#&~])", r"\\\1", " ".join(words.split()))
