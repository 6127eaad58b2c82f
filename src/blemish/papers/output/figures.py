"""Drawings of published against measured numbers, as SVG text."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from blemish.papers.output.numbers import number
from blemish.papers.output.summary import Cell, Summary
from blemish.papers.table import METRIC_NAMES
from blemish.reports.svg import linear_ticks, open_svg, text

WIDTH, LEFT, RIGHT = 460, 162, 26
TOP, LINE, BOTTOM = 8, 24, 40
LONGEST = 20  # characters of a label


class Panel(NamedTuple):
    """One drawing and its heading."""

    title: str
    svg: str


def agreement_panels(summary: Summary) -> list[Panel]:
    """For each metric a drawing by row or by column, whichever makes fewer; averages only where complete."""
    rows = summary.names
    columns = {column.id: column.label for column in summary.columns}
    panels = []
    for metric in summary.metrics:
        shown = [
            cell
            for cell in summary.cells
            if cell.metric == metric and cell.measured and cell.measured.complete
        ]
        if not shown:
            continue
        by_row = len({cell.row for cell in shown}) <= len({cell.column for cell in shown})
        lowest = min(_lowest(cell) for cell in shown)
        groups: dict[str, list[tuple[str, Cell]]] = {}
        for cell in shown:
            row, column = rows[cell.row], columns[cell.column]
            groups.setdefault(row if by_row else column, []).append((column if by_row else row, cell))
        for group, lines in groups.items():
            title = f"{group}, {METRIC_NAMES[metric]}"
            panels.append(Panel(title, _drawing(title, lines, lowest, summary.unit)))
    return panels


def _lowest(cell: Cell) -> float:
    assert cell.measured
    numbers = [cell.measured.mean, *(cell.measured.interval or ())]
    return min(numbers if cell.published is None else [*numbers, cell.published])


def _drawing(title: str, lines: Sequence[tuple[str, Cell]], lowest: float, unit: str) -> str:
    low = max(0.0, lowest - max(0.01, 0.06 * (1 - lowest)))
    bottom = TOP + LINE * len(lines)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (1 - low)

    parts = [open_svg(escape(f"{title}: published and measured"), WIDTH, bottom + BOTTOM)]
    for tick in linear_ticks(low, 1):
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(text(x(tick), bottom + 17, number(round(tick, 6), unit), "small middle"))
    for index, (label, cell) in enumerate(lines):
        assert cell.measured
        y = TOP + LINE * (index + 0.5)
        parts.append(text(LEFT - 12, y + 4, escape(_short(label)), "end"))
        if cell.measured.interval:
            start, end = map(x, cell.measured.interval)
            parts.append(f'<line class="interval" x1="{start:.1f}" x2="{end:.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="measured" cx="{x(cell.measured.mean):.1f}" cy="{y}" r="5"/>')
        if cell.published is not None:
            parts.append(f'<circle class="published" cx="{x(cell.published):.1f}" cy="{y}" r="7"/>')
    axis = "percent" if unit == "percent" else "fraction"
    return "".join([*parts, text(WIDTH - RIGHT, bottom + 34, axis, "small end"), "</svg>"])


def _short(label: str) -> str:
    return label if len(label) <= LONGEST else label[: LONGEST - 1] + "\N{HORIZONTAL ELLIPSIS}"
