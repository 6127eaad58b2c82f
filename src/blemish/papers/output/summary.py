"""A table as it comes out: measured numbers beside the published ones."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from blemish.experiments.result import Result
from blemish.papers.output.statistics import Category, compare_rows, images_of, statistic, values_of
from blemish.papers.plan import Missing, Task
from blemish.papers.table import METRIC_NAMES, Row, Table

ROUNDING = 0.0005  # half of the last digit printed, in both units


class Column(NamedTuple):
    """A category or an average over several.

    Attributes:
        id: unique in the table.
        label: as printed.
        categories: that it is the mean of.
        printed: whether the paper has it; else it was measured on the way to an average.
    """

    id: str
    label: str
    categories: tuple[Category, ...]
    printed: bool = True


@dataclass(frozen=True)
class Summary:
    """All that the outputs show.

    Attributes:
        table: as printed, with the rows that were asked for.
        changes: how the run differs from the paper, in sentences.
        columns: in the printed order; those that the paper does not print come last.
        results: a line for each row, category and seed, with the columns that `result_row` gives.
        cells: a line for each row, column and metric: "row", "column", "metric"; "published" (a fraction,
            corrected where it is printed wrongly), "printed" (in the paper's unit), "corrected" (whether they
            differ); "measured" (mean over the seeds of each category, then over the categories measured),
            "sd" (over the "seeds" that all these categories have, with n - 1), "low" and "high" (95 %, for
            other test images of this kind and number; not for metrics of pixels), "categories_measured" of
            "categories"; "difference" (measured minus published, where all categories are) and "agreement"
            ("inside" where the published number, give or take its rounding, lies inside the interval,
            "outside", or ""). What there is not is NaN.
        pairs: differences between two rows: "data", "metric", "first" and "second" (ids), "categories" (that
            both have), "difference" (first minus second, mean over these), "interval" (95 %, or None) over
            "resampled" ("test images" or "categories"), "p" (or None and "why", a sentence) by "test",
            "p_corrected" for all pairs of this data and metric (Holm), and "significant".
        missing: results that are not there.
    """

    table: Table
    changes: tuple[str, ...]
    columns: tuple[Column, ...]
    results: pd.DataFrame
    cells: pd.DataFrame
    pairs: list[dict[str, Any]]
    missing: list[Missing]

    def cell(self, row: str, column: str, metric: str) -> Any:
        """The line of `cells` of one row, column and metric, with its values as attributes."""
        return self._cells[row, column, metric]

    @cached_property
    def _cells(self) -> dict[tuple[str, str, str], Any]:
        return {(cell.row, cell.column, cell.metric): cell for cell in self.cells.itertuples(index=False)}

    @property
    def names(self) -> dict[str, str]:
        """Names of the rows by id."""
        return {row.id: row.name for row in self.table.rows}


def result_row(task: Task, result: Result) -> dict[str, Any]:
    """A line of `Summary.results`."""
    pixel = result.measured["pixel"] or {}
    return {
        "row": task.row,
        "data": task.data,
        "category": task.category,
        "seed": task.seed,
        "image_auroc": result.measured["image"]["auroc"],
        "pixel_auroc": pixel.get("auroc"),
        "aupro_30": pixel.get("aupro_30"),
        "scores": [row["score"] for row in result.images],
        "labels": [int(bool(sample.label)) for sample in task.experiment.dataset.test],
        "curve": result.curve,
        "fit": result.fit,
        "fit_seconds": result.fit_seconds,
        "score_seconds": result.score_seconds,
        "peak_memory_mb": result.peak_memory_mb,
        "fingerprint": result.fingerprint,
        "machine": result.facts["machine"],
        "versions": ", ".join(f"{name} {version}" for name, version in result.facts["versions"].items()),
        "teacher": result.facts["teacher"] or "",
    }


TEXTS = ("row", "data", "category", "fit", "fingerprint", "machine", "versions", "teacher")
NUMBERS = (*METRIC_NAMES, "fit_seconds", "score_seconds", "peak_memory_mb")
KINDS = dict.fromkeys(TEXTS, str) | {"seed": int} | dict.fromkeys(NUMBERS, float)


def summarise(
    table: Table, rows: Sequence[dict[str, Any]], missing: Sequence[Missing], changes: Iterable[str] = ()
) -> Summary:
    """Put measured numbers beside published ones.

    Args:
        table: what the paper prints.
        rows: results as `result_row` gives them, each row, category and seed at most once.
        missing: results that are not there.
        changes: how the run differs from the paper, in sentences.

    Raises:
        BlemishError: results of one category are of different test images.
    """
    results = pd.DataFrame(rows, columns=[*KINDS, "scores", "labels", "curve"]).astype(KINDS)
    images = images_of(results) if "image_auroc" in table.metrics else {}
    columns = _columns(table, results)
    cells, pairs = [], []
    for index, metric in enumerate(table.metrics):
        values = {row.id: values_of(results, row.id, metric) for row in table.rows}
        for row in table.rows:
            draws = {category: on.draws[row.id] for category, on in images.items() if row.id in on.draws}
            for column in columns:
                found = statistic(values[row.id], column.categories, draws if metric == "image_auroc" else {})
                cells.append(_cell(table, row, column, index, found))
        for section in table.sections:
            pairs += compare_rows(section.data, metric, values, images)
    return Summary(table, tuple(changes), columns, results, pd.DataFrame(cells), pairs, list(missing))


def _columns(table: Table, results: pd.DataFrame) -> tuple[Column, ...]:
    columns, printed = [], set()
    for name in table.columns:
        section = next(one for one in table.sections if name in one.averages or name in one.categories)
        categories = tuple((section.data, category) for category in section.averages.get(name, (name,)))
        columns.append(Column(name, table.labels.get(name, name), categories))
        if name in section.categories:
            printed.add((section.data, name))
    measured = set(zip(results["data"], results["category"], strict=True))
    for section in table.sections:
        for name in section.categories:
            category = (section.data, name)
            if category in measured - printed:
                label = f"{name} ({section.data})" if len(table.sections) > 1 else name
                columns.append(Column("/".join(category), label, (category,), printed=False))
    return tuple(columns)


def _cell(table: Table, row: Row, column: Column, index: int, found: dict[str, Any]) -> dict[str, Any]:
    numbers, printed = table.published(row, column.id), row.published.get(column.id)
    published = numbers[index] if numbers else None
    as_printed = printed[index] if printed else None
    unchanged = None if as_printed is None else as_printed / (100 if table.unit == "percent" else 1)
    cell: dict[str, Any] = {
        "row": row.id,
        "column": column.id,
        "metric": table.metrics[index],
        "published": math.nan if published is None else published,
        "printed": math.nan if as_printed is None else as_printed,
        "corrected": published != unchanged,
        "categories": len(column.categories),
        **dict.fromkeys(("measured", "sd", "low", "high", "difference"), math.nan),
        **{"seeds": 0, "categories_measured": 0, "agreement": ""},
    } | found
    if found and published is not None and cell["categories_measured"] == cell["categories"]:
        cell["difference"] = cell["measured"] - published
        if not math.isnan(cell["low"]):
            inside = cell["low"] - ROUNDING <= published <= cell["high"] + ROUNDING
            cell["agreement"] = "inside" if inside else "outside"
    return cell
