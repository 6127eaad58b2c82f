"""Drawings of the validation loss over the epochs, as SVG text."""

import math
from collections.abc import Sequence
from html import escape
from itertools import takewhile, zip_longest
from typing import NamedTuple

from blemish.papers.output.figures import Panel
from blemish.papers.output.summary import Summary
from blemish.papers.output.trainings import Training
from blemish.reports.numbers import short_number
from blemish.reports.svg import linear_ticks, open_svg, text

MOST_PANELS = 6
LOGARITHMIC_FROM = 10  # ratio of the highest loss to the lowest
WIDTH, HEIGHT = 460, 260
LEFT, RIGHT, TOP, BOTTOM = 62, 18, 30, 42
STYLES = (  # colour and dashes
    ("#0072b2", ""),
    ("#c44e00", "9 4"),
    ("#00795b", "2 4"),
    ("#a3478a", "9 4 2 4"),
    ("#6b5b00", "5 3"),
    ("#3d4a5c", "14 5"),
)


class Curves(NamedTuple):
    """Learning curves of a table.

    Attributes:
        panels: one for each category, up to `MOST_PANELS`.
        legend: a drawn line and the rows that share the training.
        left_out: how many categories have no panel.
    """

    panels: list[Panel]
    legend: list[tuple[str, str]]
    left_out: int


def learning_curves(summary: Summary) -> Curves:
    """A drawing for each category: a line for each training, thin with several seeds, and a strong mean."""
    trained = [training for training in summary.trainings if _losses(training)]
    places = list(dict.fromkeys((training.data, training.category) for training in trained))
    sharing: dict[str, list[str]] = {}  # rows by the first of those that share
    for training in trained:
        known = sharing.setdefault(training.rows[0], [])
        known += [row for row in training.rows if row not in known]
    styles = {row: STYLES[index % len(STYLES)] for index, row in enumerate(sharing)}
    several = len({data for data, _ in places}) > 1
    panels = []
    for data, category in places[:MOST_PANELS]:
        here = [one for one in trained if (one.data, one.category) == (data, category)]
        title = f"{category} ({data})" if several else category
        panels.append(Panel(title, _drawing(title, here, styles)))
    legend = [
        (_swatch(styles[first]), ", ".join(summary.names[row] for row in rows))
        for first, rows in sharing.items()
    ]
    return Curves(panels, legend, len(places[MOST_PANELS:]))


def _drawing(title: str, trainings: list[Training], styles: dict[str, tuple[str, str]]) -> str:
    lines: dict[str, list[list[float]]] = {}
    for training in trainings:
        losses = _losses(training)
        lines.setdefault(training.rows[0], []).append(losses)
    everything = [loss for of in lines.values() for losses in of for loss in losses]
    low, high = min(everything), max(everything)
    logarithmic = low > 0 and high / low > LOGARITHMIC_FROM
    if logarithmic:
        low, high = math.log10(low), math.log10(high)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    low, high = low - margin, high + margin
    epochs = max(len(losses) for of in lines.values() for losses in of)
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT

    def x(epoch: float) -> float:
        return LEFT + (right - LEFT) * (epoch - 1) / max(1, epochs - 1)

    def y(loss: float) -> float:
        return bottom - (bottom - TOP) * ((math.log10(loss) if logarithmic else loss) - low) / (high - low)

    def points(losses: Sequence[float]) -> str:
        return " ".join(f"{x(epoch):.1f},{y(loss):.1f}" for epoch, loss in enumerate(losses, start=1))

    parts = [open_svg(escape(f"{title}: validation loss by epoch"), WIDTH, HEIGHT)]
    for tick in _log_ticks(low, high) if logarithmic else linear_ticks(low, high):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(text(LEFT - 7, y(tick) + 4, short_number(tick), "small end"))
    for epoch in _epoch_ticks(epochs):
        parts.append(text(x(epoch), bottom + 17, str(epoch), "small middle"))
    for row, of in lines.items():
        if len(of) > 1:
            parts += [_polyline(points(losses), styles[row], "single") for losses in of]
        parts.append(_polyline(points(_mean(of)), styles[row], "mean"))
    parts += [
        text(0, 14, "validation loss" + (" (logarithmic axis)" if logarithmic else ""), "small"),
        text((LEFT + right) / 2, HEIGHT - 6, "epoch", "small middle"),
        "</svg>",
    ]
    return "".join(parts)


def _losses(training: Training) -> list[float]:
    """Validation losses of the epochs, up to the first that is not finite."""
    losses = (entry["validation_loss"] for entry in training.curve)
    return list(takewhile(lambda loss: loss is not None and math.isfinite(loss), losses))


def _mean(lines: list[list[float]]) -> list[float]:
    """Mean over the lines that go so far."""
    there = ([loss for loss in losses if loss is not None] for losses in zip_longest(*lines))
    return [sum(losses) / len(losses) for losses in there]


def _polyline(points: str, style: tuple[str, str], weight: str) -> str:
    """A line, or a dot where there is a single epoch."""
    colour, dashes = style
    if " " not in points:
        cx, cy = points.split(",")
        return f'<circle cx="{cx}" cy="{cy}" r="{5 if weight == "mean" else 3}" fill="{colour}"/>'
    return (
        f'<polyline class="loss {weight}" points="{points}" stroke="{colour}" stroke-dasharray="{dashes}"/>'
    )


def _swatch(style: tuple[str, str]) -> str:
    return (
        '<svg viewBox="0 0 44 10" aria-hidden="true" class="swatch">'
        f"{_polyline('0,5 44,5', style, 'mean')}</svg>"
    )


def _epoch_ticks(last: int) -> list[int]:
    """1, the last one and some round numbers between, far enough from both."""
    if last < 6:
        return list(range(1, last + 1))
    between = [round(tick) for tick in linear_ticks(1, last)]
    near = last / 12
    return [1, *(tick for tick in between if 1 + near < tick < last - near), last]


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers in [10^low, 10^high]: powers of ten, or 1, 2 and 5 times them where these are few."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    factors = (1,) if high - low > 3 else (1, 2, 5)
    ticks = [factor * 10.0**decade for decade in decades for factor in factors]
    inside = [tick for tick in ticks if low <= math.log10(tick) <= high]
    return inside[:: 1 + len(inside) // 8]
