"""A table as CSV: one line for each number, with all its digits, and one for each result it is made of."""

import csv
import io

from blemish.papers.output.summary import Cell, Result, Summary

HEADS = (
    "kind", "table", "row", "row_name", "column", "metric", "published", "printed", "corrected",
    "measured", "sd", "low", "high", "difference", "categories_measured", "categories",
    "data", "category", "seed", "value", "fit_seconds", "score_seconds", "fingerprint",
)  # fmt: skip


def to_csv(summary: Summary) -> str:
    """Lines of kind "cell" are numbers of the table as fractions ("printed" as the paper has it).

    Lines of kind "result" are metrics of one category and seed, from which the measured means and standard
    deviations can be computed again.
    """
    names = summary.names
    file = io.StringIO()
    writer = csv.DictWriter(file, HEADS, restval="", lineterminator="\n")
    writer.writeheader()
    for cell in summary.cells:
        writer.writerow({"table": summary.name, "row_name": names[cell.row]} | _cell(cell))
    for result in summary.results:
        for metric in summary.metrics:
            writer.writerow({"table": summary.name, "row_name": names[result.row]} | _result(result, metric))
    return file.getvalue()


def _cell(cell: Cell) -> dict[str, object]:
    values: dict[str, object] = {
        "kind": "cell",
        "row": cell.row,
        "column": cell.column,
        "metric": cell.metric,
        "published": cell.published,
        "printed": cell.printed,
        "corrected": "yes" if cell.corrected else "",
        "difference": cell.difference,
    }
    if cell.measured:
        low, high = cell.measured.interval or (None, None)
        values |= {
            "measured": cell.measured.mean,
            "sd": cell.measured.sd,
            "low": low,
            "high": high,
            "categories_measured": cell.measured.of,
            "categories": cell.measured.categories,
        }
    return values


def _result(result: Result, metric: str) -> dict[str, object]:
    return {
        "kind": "result",
        "row": result.row,
        "metric": metric,
        "data": result.data,
        "category": result.category,
        "seed": result.seed,
        "value": result.metrics[metric],
        "fit_seconds": result.fit_seconds,
        "score_seconds": result.score_seconds,
        "fingerprint": result.fingerprint,
    }
