"""The sentences and numbers that all outputs of a table share."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from blemish.papers.output.statistics import OVER_CATEGORIES, OVER_IMAGES
from blemish.papers.output.summary import Summary
from blemish.papers.plan import Missing
from blemish.papers.table import METRIC_NAMES, Table
from blemish.reports.numbers import duration, fraction

HELD_OUT = ("cifar10", "stl10")
DAGGER = "\N{DAGGER}"
NONE = "\N{EN DASH}"

Pair = dict[str, Any]  # as `Summary.pairs` has them


class Grid(NamedTuple):
    """The cells of one metric in the order in which they are written, whichever way the paper prints it.

    Attributes:
        metric: name.
        corner: what the lines are.
        heads: name of each column.
        lines: name and cells of each line, as `Summary.cell` gives them.
    """

    metric: str
    corner: str
    heads: list[str]
    lines: list[tuple[str, list[Any]]]


def grids(summary: Summary) -> list[Grid]:
    """One grid for each metric."""
    rows, columns = summary.table.rows, summary.columns
    extra = not all(column.printed for column in columns)
    down = summary.table.across or (extra and len(columns) > len(rows))
    row_names = [f"{row.name} (quoted)" if row.config is None else row.name for row in rows]
    names = [column.label if column.printed else f"{column.label} (not in the paper)" for column in columns]
    found = []
    for metric in summary.table.metrics:
        cells = [[summary.cell(row.id, column.id, metric) for column in columns] for row in rows]
        if down:
            turned = [list(line) for line in zip(*cells, strict=True)]
            found.append(Grid(metric, "Category", row_names, list(zip(names, turned, strict=True))))
        else:
            found.append(Grid(metric, "Method", names, list(zip(row_names, cells, strict=True))))
    return found


def number(value: float, unit: str) -> str:
    """A fraction in the table's unit, or a dash."""
    return NONE if pd.isna(value) else fraction(value, unit=unit)


def published(cell: Any, unit: str) -> str:
    """The published number of a cell; a dagger marks it where it is printed wrongly."""
    return number(cell.published, unit) + (DAGGER if cell.corrected else "")


def coverage(cell: Any) -> str:
    """How much of an average is measured: "3 of 15", or "" for all of it."""
    whole = cell.categories_measured == cell.categories
    return "" if whole else f"{cell.categories_measured} of {cell.categories}"


def reading(summary: Summary) -> list[str]:
    """How the numbers are to be read."""
    shown = summary.cells[summary.cells["measured"].notna()]
    if shown.empty:
        return ["Nothing is measured yet; all numbers are the paper's."]
    seeds = sorted(shown["seeds"][shown["sd"].notna()].unique())
    sentences = ["One seed: how much another training would change is not known."]
    if seeds:
        sentences = [
            f"± is the standard deviation over seeds ({' or '.join(map(str, seeds))} of them); of a mean of "
            "categories, over the seeds that all of them have."
        ]
    if any(shown["categories_measured"] < shown["categories"]):
        sentences.append(
            "A mean over only some of the categories says how many; no difference is given for it, because "
            "the paper's is over all."
        )
    if len(summary.table.measured) < len(summary.table.rows):
        sentences.append(
            "Quoted: the paper took these numbers from others, and the method is not among ours."
        )
    return sentences


def intervals(summary: Summary) -> list[str]:
    """How the intervals of single numbers are to be read, where they are shown."""
    shown = summary.cells[summary.cells["low"].notna()]
    if shown.empty:
        return []
    sentences = [
        "Intervals are 95 % and say how far an image AUROC would move with other test images of the same "
        "kind and number; each class is resampled by itself."
    ]
    held_out = any(section.data in HELD_OUT for section in summary.table.sections)
    if held_out and any(shown["categories_measured"] > 1):
        sentences.append(
            "Classes held out in turn share test images; the interval of a mean takes them as different ones."
        )
    return sentences


def corrections(summary: Summary) -> list[str]:
    """What the daggers mean."""
    names, labels = summary.names, summary.table.labels
    return [
        f"{DAGGER} {names[one.row]}, {labels.get(one.column, one.column)}: {one.why}"
        for one in summary.table.corrections
        if one.row in names
    ]


def missing_results(table: Table, missing: Sequence[Missing]) -> list[str]:
    """What is missing of a table and why, in as few sentences as is simple."""
    frame = pd.DataFrame([one for one in missing if one.table == table.name], columns=Missing._fields)
    for merged in ("seed", "category", "row"):
        keys = [name for name in frame.columns if name != merged]
        frame = frame.groupby(keys, sort=False)[merged].agg(tuple).reset_index()
    names = {row.id: row.name for row in table.rows}
    measured = {row.id for row in table.measured}
    sentences = []
    for one in frame.itertuples():
        many = f"{len(one.category)} categories" if len(one.category) > 1 else "1 category"
        who = "all rows" if set(one.row) == measured else ", ".join(names[row] for row in one.row)
        seeds = f"seed{'s' if len(one.seed) > 1 else ''} {', '.join(map(str, one.seed))}"
        sentences.append(f"{many} ({', '.join(one.category)}), {who}, {seeds}: {one.reason}")
    return sentences


def progress(summary: Summary) -> str:
    """How much of the table is measured."""
    done = len(summary.results)
    return f"{done} of {done + len(summary.missing)} results measured."


def costs(summary: Summary) -> list[dict[str, Any]]:
    """Time and memory of each row that is measured: numbers with units, and "fit_seconds" as it is."""
    fits = summary.results.drop_duplicates(["row", "fit"])
    found = []
    for row, own in summary.results.groupby("row", sort=False):
        trained = fits[fits["row"] == row]
        sharing = fits["row"][fits["fit"].isin(trained["fit"]) & (fits["row"] != row)].unique()
        epochs = [epoch["seconds"] for curve in trained["curve"] for epoch in curve]
        seconds, memory = trained["fit_seconds"].sum(), own["peak_memory_mb"].max()
        found.append(
            {
                "name": summary.names[row],
                "shared": ", ".join(summary.names[other] for other in sharing),
                "fit_seconds": seconds,
                "trainings": str(len(trained)),
                "fit": duration(seconds),
                "each": duration(seconds / len(trained)),
                "epochs": str(max(map(len, trained["curve"])) or NONE),
                "epoch": duration(sum(epochs) / len(epochs)) if epochs else NONE,
                "speed": f"{own['scores'].map(len).sum() / own['score_seconds'].sum():.3g}",
                "memory": NONE if pd.isna(memory) else f"{memory:.0f} MB",
            }
        )
    return found


def total_time(summary: Summary) -> str:
    """What all trainings took."""
    trained = summary.results.drop_duplicates("fit")
    seconds = duration(trained["fit_seconds"].sum())
    if len(trained) == 1:
        return f"The one training took {seconds}."
    return f"{len(trained)} trainings took {seconds}; one that rows share counts once here."


def families(summary: Summary) -> dict[str, list[Pair]]:
    """The pairs that were tested together, by what they are about."""
    found: dict[str, list[Pair]] = {}
    for pair in summary.pairs:
        found.setdefault(f"{METRIC_NAMES[pair['metric']]} on {pair['data']}", []).append(pair)
    return found


def tests(pairs: Sequence[Pair]) -> str:
    """What the tests of one family cover, in sentences."""
    tested = [pair for pair in pairs if pair["p"] is not None]
    used = {pair["test"] for pair in tested}
    over = sorted({pair["resampled"] for pair in pairs if pair["resampled"]})
    sentences = []
    if OVER_CATEGORIES in used:
        sentences.append(f"p is by {OVER_CATEGORIES}: would other categories rank the two alike?")
    if OVER_IMAGES in used:
        several = any(pair["categories"] > 1 for pair in tested if pair["test"] == OVER_IMAGES)
        names = "these categories'" if several else "this category's"
        sentences.append(
            f"p is by {OVER_IMAGES}: it is about {names} test images only, and covers neither other "
            "trainings nor other categories."
        )
    if len(tested) > 1:
        sentences.append(f"It is corrected for the {len(tested)} pairs tested (Holm).")
    sentences += sorted({pair["why"] for pair in pairs if pair["why"]})
    if over:
        sentences.append(f"Intervals are 95 %, by a paired bootstrap over {' and '.join(over)}.")
    return " ".join(sentences)
