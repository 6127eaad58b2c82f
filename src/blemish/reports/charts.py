"""Line drawings for pages, as SVG text: one axis, and the charts that stand on it."""

import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np

from blemish.reports.numbers import percent, short_number

BINS = 32
MOST_CORNERS = 500  # of a ROC curve
LOGARITHMIC_FROM = 20  # ratio of the highest value to the lowest
QUARTERS = (0, 0.25, 0.5, 0.75, 1)
LONGEST = 20  # characters of a label
LINE_STYLES = (  # colour and dashes
    *(("var(--good)", ""), ("var(--bad)", "9 4"), ("#1a9876", "2 4")),
    *(("#b8589f", "9 4 2 4"), ("#8a7600", "5 3"), ("var(--muted)", "14 5")),
)

Label = Callable[[float], str]


class Axis:
    """Where values lie along one side of a chart, in pixels.

    Args:
        low, high: the values at its ends; on a logarithmic axis their decimal logarithms.
        start, end: the pixels of its ends.
        logarithmic: whether equal distances are equal ratios.
    """

    def __init__(
        self, low: float, high: float, start: float, end: float, *, logarithmic: bool = False
    ) -> None:
        self.low, self.high, self.start, self.end, self.logarithmic = low, high, start, end, logarithmic

    @classmethod
    def around(cls, values: np.ndarray, start: float, end: float) -> "Axis":
        """An axis with room for all values, [n] finite; logarithmic where they span orders of magnitude."""
        low, high = float(values.min()), float(values.max())
        logarithmic = low > 0 and high / low > LOGARITHMIC_FROM
        if logarithmic:
            low, high = math.log10(low), math.log10(high)
        margin = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
        return cls(low - margin, high + margin, start, end, logarithmic=logarithmic)

    def __call__(self, values: Any) -> Any:
        """The pixels of a value or of an array of values."""
        position = np.log10(values) if self.logarithmic else values
        return self.start + (self.end - self.start) * (position - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """About five round values; on a logarithmic axis powers of ten, with some between where few fit."""
        span = self.high - self.low
        if not self.logarithmic:
            step = 10 ** math.floor(math.log10(span / 4))
            step *= next(factor for factor in (1, 2, 5, 10) if span / (factor * step) <= 6)
            return [step * k for k in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]
        factors = (1, 2, 5) if span < 1.7 else (1, 3) if span < 3.2 else (1,)
        decades = range(math.floor(self.low), math.ceil(self.high) + 1)
        values = (factor * 10.0**decade for decade in decades for factor in factors)
        inside = [value for value in values if self.low <= math.log10(value) <= self.high]
        return inside[:: 1 + len(inside) // 8]


class Chart:
    """A drawing in the making; all words are escaped.

    Args:
        description: what it shows, for those who cannot see it.
        width, height: of the drawing, in pixels.
        left, right, top, bottom: margins around what is plotted.
        role: "img", or "group" where parts of it are links.
    """

    def __init__(
        self,
        description: str,
        *,
        width: float = 460,
        height: float = 300,
        left: float = 60,
        right: float = 24,
        top: float = 30,
        bottom: float = 46,
        role: str = "img",
    ) -> None:
        self.width, self.height = width, height
        self.left, self.right, self.top, self.bottom = left, width - right, top, height - bottom
        attributes = f'viewBox="0 0 {width:g} {height:g}" role="{role}" aria-label="{escape(description)}"'
        self.parts = [f"<svg {attributes}><title>{escape(description)}</title>"]

    def add(self, name: str, style: str, **values: float | str) -> None:
        """Add an element; `style` is a class of the page's style sheet, numbers are pixels."""
        attributes = (
            f'{key}="{value if isinstance(value, str) else f"{value:.1f}"}"' for key, value in values.items()
        )
        self.parts.append(f'<{name} class="{style}" {" ".join(attributes)}/>')

    def text(self, x: float, y: float, words: str, style: str = "") -> None:
        """Add words at a place."""
        self.parts.append(f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>')

    def x_axis(self, low: float, high: float) -> Axis:
        """A linear axis from left to right."""
        return Axis(low, high, self.left, self.right)

    def x_grid(self, axis: Axis, label: Label = short_number, ticks: Sequence[float] | None = None) -> None:
        """Add a line for each tick, and its label below."""
        for tick in axis.ticks() if ticks is None else ticks:
            self.add("line", "grid", x1=axis(tick), x2=axis(tick), y1=self.top, y2=self.bottom)
            self.text(axis(tick), self.bottom + 17, label(tick), "small middle")

    def y_grid(self, axis: Axis, label: Label = short_number, ticks: Sequence[float] | None = None) -> None:
        """Add a line for each tick, and its label beside it."""
        for tick in axis.ticks() if ticks is None else ticks:
            self.add("line", "grid", x1=self.left, x2=self.right, y1=axis(tick), y2=axis(tick))
            self.text(self.left - 7, axis(tick) + 4, label(tick), "small end")

    def x_title(self, words: str) -> None:
        """Add what the horizontal axis shows."""
        self.text((self.left + self.right) / 2, self.height - 6, words, "small middle")

    def __str__(self) -> str:
        return "".join([*self.parts, "</svg>"])


def roc_chart(fpr: np.ndarray, tpr: np.ndarray, false_alarms: float, found: float) -> str:
    """The ROC curve with the verdicts in force as a ring.

    Args:
        fpr, tpr: [n] in 0..1, ascending, as `blemish.evaluation.metrics.roc_curve` gives them.
        false_alarms, found: the two rates of the verdicts in force, in 0..1.
    """
    chart = Chart("ROC curve: share of defective images found against share of good images flagged")
    x, y = chart.x_axis(0, 1), Axis(0, 1, chart.bottom, chart.top)
    chart.x_grid(x, percent, QUARTERS)
    chart.y_grid(y, percent, QUARTERS)
    chart.add("line", "chance", x1=x(0), y1=y(0), x2=x(1), y2=y(1))
    chart.text(x(0.72), y(0.62), "chance", "small")
    fpr, tpr = _corners(fpr, tpr)
    chart.add("polyline", "curve", points=_points(x(fpr), y(tpr)))
    chart.add("circle", "ring", cx=x(false_alarms), cy=y(found), r=6)
    beside, end = (12, "") if false_alarms < 0.5 else (-12, " end")
    below = 20 if found > 0.15 else -10
    chart.text(x(false_alarms) + beside, y(found) + below, "the verdicts", f"strong{end}")
    chart.text(chart.left, chart.top - 12, "defective images found", "small")
    chart.x_title("good images flagged")
    return str(chart)


class Bars(NamedTuple):
    """One side of a mirrored histogram.

    Attributes:
        scores: [n] finite, perhaps none.
        label: what they are.
        style: class of the bars.
        style_above: class of those above the threshold; "" for the same.
    """

    scores: np.ndarray
    label: str
    style: str
    style_above: str = ""


def mirrored_histogram(chart: Chart, upper: Bars, lower: Bars, threshold: float) -> str:
    """Two histograms of scores on one axis, one upwards, one downwards, and the threshold across both.

    Args:
        chart: an empty one, of the size that is wanted.
        upper, lower: not both without scores.
        threshold: of the score.
    """
    x = Axis.around(np.concatenate([upper.scores, lower.scores, [threshold]]), chart.left, chart.right)
    edges = np.linspace(chart.left, chart.right, BINS + 1)
    shares = [np.histogram(x(bars.scores), edges)[0] / max(1, len(bars.scores)) for bars in (upper, lower)]
    tallest = float(np.max(shares))
    y = Axis(-tallest, tallest, chart.bottom - 4, chart.top + 4)
    chart.x_grid(x)
    chart.y_grid(y, lambda share: percent(abs(share)), (-tallest, 0, tallest))
    step, at = edges[1] - edges[0], x(threshold)
    for bars, share, sign in ((upper, shares[0], 1), (lower, shares[1], -1)):
        for index in np.flatnonzero(share):
            top, bottom = sorted((y(0), y(sign * share[index])))
            above = bars.style_above and edges[index] + step / 2 > at
            style = bars.style_above if above else bars.style
            chart.add("rect", style, x=edges[index] + 0.5, y=top, width=step - 1, height=bottom - top)
    chart.add("line", "threshold", x1=at, x2=at, y1=chart.top - 6, y2=chart.bottom)
    end = "" if at < (chart.left + chart.right) / 2 else " end"
    chart.text(at, chart.top - 12, f"threshold {short_number(threshold)}", f"strong{end}")
    for bars, place in ((upper, chart.top + 16), (lower, chart.bottom - 8)):
        label = f"{bars.label} ({len(bars.scores)})"
        chart.text(chart.right - 4, place, label, f"strong end label-{bars.style}")
    chart.x_title("score (logarithmic axis)" if x.logarithmic else "score")
    return str(chart)


class Dot(NamedTuple):
    """A value in 0..1 on a line of its own.

    Attributes:
        label: what has this value.
        value: where the dot lies.
        interval: [low, high] around it.
        ring: another value, to compare with.
        strong: whether it stands out.
    """

    label: str
    value: float
    interval: Sequence[float] | None = None
    ring: float | None = None
    strong: bool = False


def dot_chart(
    description: str, dots: Sequence[Dot], lowest: float, axis_title: str, number: Label = short_number
) -> str:
    """Values and their intervals, one below the other, on an axis that ends at 1.

    Args:
        description: what it shows.
        dots: from top to bottom.
        lowest: value that the axis must show, in 0..1.
        axis_title: what the axis shows.
        number: how values are written.
    """
    chart = Chart(description, height=24 * len(dots) + 48, left=162, right=62, top=8, bottom=40)
    x = chart.x_axis(max(0.0, lowest - max(0.01, 0.06 * (1 - lowest))), 1)
    chart.x_grid(x, lambda tick: number(round(tick, 6)))
    for index, dot in enumerate(dots):
        y, style = chart.top + 24 * (index + 0.5), " strong" if dot.strong else ""
        label = dot.label if len(dot.label) <= LONGEST else dot.label[: LONGEST - 1] + "…"
        chart.text(chart.left - 12, y + 4, label, f"end{style}")
        if dot.interval is not None:
            low, high = dot.interval
            chart.add("line", f"interval{style}", x1=x(low), x2=x(high), y1=y, y2=y)
        chart.add("circle", f"dot{style}", cx=x(dot.value), cy=y, r=5)
        if dot.ring is not None:
            chart.add("circle", "compared", cx=x(dot.ring), cy=y, r=7)
        chart.text(chart.width, y + 4, number(dot.value), f"end{style}")
    chart.x_title(axis_title)
    return str(chart)


def learning_curves(description: str, groups: dict[int, list[list[float]]]) -> str:
    """Losses over the epochs: a thin line for each training, and a strong one for the mean of each group.

    Args:
        description: what it shows.
        groups: by the number of a line style, the losses of each training, two or more and finite.
    """
    chart = Chart(description, height=260, left=62, right=18)
    trainings = [losses for of in groups.values() for losses in of]
    epochs = max(map(len, trainings))
    x, y = chart.x_axis(1, epochs), Axis.around(np.concatenate(trainings), chart.bottom, chart.top)
    chart.y_grid(y)
    between = [round(tick) for tick in x.ticks() if 1 + epochs / 12 < tick < epochs * 11 / 12]
    for epoch in [1, *between, epochs] if epochs > 5 else range(1, epochs + 1):
        chart.text(x(epoch), chart.bottom + 17, str(epoch), "small middle")
    for number, lines in groups.items():
        mean = [float(np.mean([loss for loss in at if loss is not None])) for at in zip_longest(*lines)]
        for line, weight in [*((line, "single") for line in lines if len(lines) > 1), (mean, "mean")]:
            points = _points(x(np.arange(1, len(line) + 1)), y(np.array(line)))
            chart.parts.append(_curve(number, weight, points))
    chart.text(0, 14, "validation loss" + (" (logarithmic axis)" if y.logarithmic else ""), "small")
    chart.x_title("epoch")
    return str(chart)


def line_sample(number: int) -> str:
    """A short piece of a line style, for a legend."""
    line = _curve(number, "mean", "0,5 44,5")
    return f'<svg viewBox="0 0 44 10" aria-hidden="true" class="swatch">{line}</svg>'


def _curve(number: int, weight: str, points: str) -> str:
    colour, dashes = LINE_STYLES[number % len(LINE_STYLES)]
    style = f'stroke="{colour}" stroke-dasharray="{dashes}"'
    return f'<polyline class="loss {weight}" {style} points="{points}"/>'


def _points(x: np.ndarray, y: np.ndarray) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _corners(fpr: np.ndarray, tpr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points where the curve turns, thinned out evenly when there are very many."""
    steps = np.column_stack([np.diff(fpr), np.diff(tpr)])
    turns = np.abs(steps[1:, 0] * steps[:-1, 1] - steps[1:, 1] * steps[:-1, 0]) > 1e-12
    keep = np.flatnonzero(np.concatenate([[True], turns, [True]]))
    if len(keep) > MOST_CORNERS:
        keep = keep[np.linspace(0, len(keep) - 1, MOST_CORNERS).round().astype(int)]
    return fpr[keep], tpr[keep]
