"""A table's cells in the order in which they are written, whichever way round the paper prints it."""

from typing import NamedTuple

from blemish.papers.output.summary import Cell, Column, Line, Summary


class Grid(NamedTuple):
    """The table of one metric.

    Attributes:
        metric: name.
        corner: what the lines are.
        heads: name of each column of cells.
        lines: name and cells of each line.
    """

    metric: str
    corner: str
    heads: list[str]
    lines: list[tuple[str, list[Cell]]]


def grids(summary: Summary) -> list[Grid]:
    """One table for each metric."""
    return [_grid(summary, metric) for metric in summary.metrics]


def _grid(summary: Summary, metric: str) -> Grid:
    columns, rows = summary.columns, summary.rows
    if summary.columns_down:
        lines = [
            (_column_name(column), [summary.cell(row.id, column.id, metric) for row in rows])
            for column in columns
        ]
        return Grid(metric, "Category", [_row_name(row) for row in rows], lines)
    lines = [
        (_row_name(row), [summary.cell(row.id, column.id, metric) for column in columns]) for row in rows
    ]
    return Grid(metric, "Method", [_column_name(column) for column in columns], lines)


def _row_name(row: Line) -> str:
    return f"{row.name} (quoted)" if row.state == "quoted" else row.name


def _column_name(column: Column) -> str:
    return column.label if column.printed else f"{column.label} (not in the paper)"
