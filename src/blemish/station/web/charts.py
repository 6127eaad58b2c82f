"""The line drawings of the station's pages, as SVG text. Only numbers and times go in."""

import math
from collections.abc import Sequence

import numpy as np

from blemish.calibration import Calibration
from blemish.reports.numbers import percent, short_number
from blemish.reports.svg import linear_ticks, open_svg, text
from blemish.station.records import Point, Verdict
from blemish.station.web.formatting import full_moment, moment

WIDTH, HEIGHT = 960, 380
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 28, 44
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
MOST_POINTS = 2000  # drawn
BINS = 40
LOGARITHMIC_FROM = 30  # ratio of the highest score to the lowest


class Axis:
    """Where scores lie, from 0 to 1; logarithmic where they span orders of magnitude.

    Args:
        scores: [n] finite, n >= 1; all of them fit.
    """

    def __init__(self, scores: np.ndarray) -> None:
        low, high = float(scores.min()), float(scores.max())
        self.logarithmic = low > 0 and high / low > LOGARITHMIC_FROM
        if self.logarithmic:
            low, high = math.log10(low), math.log10(high)
        margin = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
        self.low, self.high = low - margin, high + margin

    def place(self, scores: np.ndarray) -> np.ndarray:
        """Scores, [n], to [n] in 0..1."""
        values = np.log10(scores) if self.logarithmic else np.asarray(scores, np.float64)
        return (values - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Places in 0..1 of round numbers, and the numbers."""
        values = linear_ticks(self.low, self.high)
        if self.logarithmic:
            decades = range(math.ceil(self.low), math.floor(self.high) + 1)
            values = [10.0**k for k in decades[:: 1 + len(decades) // 6]]
        places = self.place(np.array(values, np.float64))
        return [(float(place), short_number(value)) for place, value in zip(places, values, strict=True)]


def history_chart(points: Sequence[Point], verdicts: Calibration) -> str:
    """Scores in order of arrival, each a link, over the threshold and the range of the calibration.

    Of more than 2000 points only the lowest and the highest of each stretch are drawn.

    Args:
        points: at least one, oldest first.
        verdicts: the calibration in force.
    """
    scores = np.array([point.score for point in points])
    axis = Axis(np.concatenate([scores, verdicts.scores, [verdicts.threshold]]))
    y = TOP + PLOT_HEIGHT * (1 - axis.place(scores))
    x = LEFT + PLOT_WIDTH * (np.arange(len(points)) + 0.5) / len(points)
    range_y = TOP + PLOT_HEIGHT * (1 - axis.place(verdicts.scores[[-1, 0]]))
    threshold_y = TOP + PLOT_HEIGHT * (1 - float(axis.place(np.array([verdicts.threshold]))[0]))
    right = WIDTH - RIGHT
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="Scores in order of arrival">',
        f'<rect class="range" x="{LEFT}" y="{range_y[0]:.1f}" width="{PLOT_WIDTH}" '
        f'height="{range_y[1] - range_y[0]:.1f}"/>',
    ]
    for place, label in axis.ticks():
        at = TOP + PLOT_HEIGHT * (1 - place)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(text(LEFT - 8, at + 4, label, "small end"))
    for index in sorted({round(share * (len(points) - 1)) for share in (0, 0.25, 0.5, 0.75, 1)}):
        style = (
            "small start"
            if x[index] < LEFT + 60
            else "small end"
            if x[index] > right - 60
            else "small middle"
        )
        parts.append(text(x[index], HEIGHT - 16, moment(points[index].received), style))
    parts += [_mark(points[index], x[index], y[index]) for index in thinned(scores)]
    parts += [
        f'<line class="threshold" x1="{LEFT}" x2="{right}" y1="{threshold_y:.1f}" y2="{threshold_y:.1f}"/>',
        text(right - 4, threshold_y - 7, f"threshold {short_number(verdicts.threshold)}", "strong end"),
        "</svg>",
    ]
    return "".join(parts)


def thinned(scores: np.ndarray) -> list[int]:
    """Indices of the points to draw: all, or the lowest and the highest of each stretch, ascending."""
    if len(scores) <= MOST_POINTS:
        return list(range(len(scores)))
    kept: set[int] = set()
    for stretch in np.array_split(np.arange(len(scores)), MOST_POINTS // 2):
        kept |= {int(stretch[scores[stretch].argmin()]), int(stretch[scores[stretch].argmax()])}
    return sorted(kept)


def distribution_chart(points: Sequence[Point], verdicts: Calibration) -> str:
    """Two histograms of scores: the calibration's upwards, the points' downwards, the threshold across.

    Args:
        points: at least one.
        verdicts: the calibration in force.
    """
    recent = np.array([point.score for point in points])
    axis = Axis(np.concatenate([recent, verdicts.scores, [verdicts.threshold]]))
    edges = np.linspace(0, 1, BINS + 1)
    shares = [
        np.histogram(axis.place(scores), edges)[0] / len(scores) for scores in (verdicts.scores, recent)
    ]
    tallest = max(share.max() for share in shares)
    middle, half, bar = TOP + PLOT_HEIGHT / 2, PLOT_HEIGHT / 2 - 4, PLOT_WIDTH / BINS
    parts = [
        open_svg("Histogram of scores: calibration above the line, past inspections below", WIDTH, HEIGHT)
    ]
    for place, label in axis.ticks():
        at = LEFT + PLOT_WIDTH * place
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{TOP + PLOT_HEIGHT}"/>')
        parts.append(text(at, TOP + PLOT_HEIGHT + 18, label, "small middle"))
    for at, share in ((middle - half, tallest), (middle, 0), (middle + half, tallest)):
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(text(LEFT - 8, at + 4, percent(float(share)), "small end"))
    at = float(axis.place(np.array([verdicts.threshold]))[0])
    sides = ["bad" if (edges[index] + edges[index + 1]) / 2 > at else "good" for index in range(BINS)]
    for share, up in ((shares[0], True), (shares[1], False)):
        for index in np.flatnonzero(share):
            height = half * share[index] / tallest
            parts.append(
                f'<rect class="{"calibration" if up else sides[index]}" x="{LEFT + index * bar + 0.5:.1f}" '
                f'y="{middle - height if up else middle:.1f}" width="{bar - 1:.1f}" height="{height:.1f}"/>'
            )
    at = LEFT + PLOT_WIDTH * at
    side = "" if at < LEFT + PLOT_WIDTH / 2 else " end"
    parts += [
        f'<line class="threshold" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP - 6}" y2="{TOP + PLOT_HEIGHT}"/>',
        text(at, TOP - 12, f"threshold {short_number(verdicts.threshold)}", "strong" + side),
        text(WIDTH - RIGHT - 4, TOP + 16, f"calibration ({len(verdicts.scores)})", "strong end"),
        text(WIDTH - RIGHT - 4, TOP + PLOT_HEIGHT - 8, f"past inspections ({len(recent)})", "strong end"),
        text(
            LEFT + PLOT_WIDTH / 2,
            HEIGHT - 6,
            "score (logarithmic axis)" if axis.logarithmic else "score",
            "small middle",
        ),
        "</svg>",
    ]
    return "".join(parts)


def _mark(point: Point, x: float, y: float) -> str:
    """A circle for good, a triangle for anomalous, in a ring where a person judged."""
    said = {None: "", Verdict.GOOD: ", judged good", Verdict.DEFECT: ", judged a defect"}[point.feedback]
    verdict = "anomalous" if point.is_anomalous else "good"
    title = f"{point.id}: {verdict}, {short_number(point.score)}, {full_moment(point.received)}{said}"
    if point.is_anomalous:
        shape = f'<path class="bad" d="M{x:.1f} {y - 5:.1f}l5 9h-10z"/>'
    else:
        shape = f'<circle class="good" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'
    ring = (
        f'<circle class="ring {point.feedback}" cx="{x:.1f}" cy="{y:.1f}" r="8"/>' if point.feedback else ""
    )
    return f'<a href="/inspections/{point.id}" tabindex="-1"><title>{title}</title>{ring}{shape}</a>'
