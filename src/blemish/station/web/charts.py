"""The line drawings of the station's pages, as SVG text."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from blemish.calibration import Calibration
from blemish.reports.charts import QUARTERS, Axis, Bars, Chart, mirrored_histogram
from blemish.reports.numbers import short_number
from blemish.station.records import Point, Verdict
from blemish.station.web.pages import full_moment, moment

SIZE: dict[str, Any] = {"width": 960, "height": 380, "left": 64, "right": 20, "bottom": 44}
MOST_POINTS = 2000  # drawn


def history_chart(points: Sequence[Point], verdicts: Calibration) -> str:
    """Scores of at least one point, oldest first, as links, over threshold and range of the calibration."""
    chart = Chart("Scores in order of arrival", **SIZE, role="group")
    scores = np.array([point.score for point in points])
    x = chart.x_axis(-0.5, len(points) - 0.5)
    y = Axis.around(np.concatenate([scores, verdicts.scores, [verdicts.threshold]]), chart.bottom, chart.top)
    highest, lowest = y(verdicts.scores[-1]), y(verdicts.scores[0])
    size = {"width": chart.right - chart.left, "height": lowest - highest}
    chart.add("rect", "range", x=chart.left, y=highest, **size)
    chart.y_grid(y)
    for index in sorted({round(share * (len(points) - 1)) for share in QUARTERS}):
        side = "start" if x(index) < chart.left + 60 else "end" if x(index) > chart.right - 60 else "middle"
        chart.text(x(index), chart.height - 16, moment(points[index].received), f"small {side}")
    chart.parts += [_mark(points[index], x(index), y(scores[index])) for index in thinned(scores)]
    at = y(verdicts.threshold)
    chart.add("line", "threshold", x1=chart.left, x2=chart.right, y1=at, y2=at)
    chart.text(chart.right - 4, at - 7, f"threshold {short_number(verdicts.threshold)}", "strong end")
    return str(chart)


def thinned(scores: np.ndarray) -> list[int]:
    """Indices of the points to draw: all, or the lowest and the highest of each stretch, ascending."""
    if len(scores) <= MOST_POINTS:
        return list(range(len(scores)))
    kept: set[int] = set()
    for stretch in np.array_split(np.arange(len(scores)), MOST_POINTS // 2):
        kept |= {int(stretch[scores[stretch].argmin()]), int(stretch[scores[stretch].argmax()])}
    return sorted(kept)


def distribution_chart(points: Sequence[Point], verdicts: Calibration) -> str:
    """Two histograms of scores: the calibration's upwards, those of at least one point downwards."""
    recent = np.array([point.score for point in points])
    return mirrored_histogram(
        Chart("Histogram of scores: calibration above the line, past inspections below", **SIZE),
        Bars(verdicts.scores, "calibration", "calibration"),
        Bars(recent, "past inspections", "good", "bad"),
        verdicts.threshold,
    )


def _mark(point: Point, x: float, y: float) -> str:
    said = {None: "", Verdict.GOOD: ", judged good", Verdict.DEFECT: ", judged a defect"}[point.feedback]
    verdict = point.verdict or ("anomalous" if point.is_anomalous else "good")
    title = f"{point.id}: {verdict}, {short_number(point.score)}, {full_moment(point.received)}{said}"
    if point.is_anomalous:
        shape = f'<path class="bad" d="M{x:.1f} {y - 5:.1f}l5 9h-10z"/>'
    else:
        shape = f'<circle class="good" cx="{x:.1f}" cy="{y:.1f}" r="3.2"/>'
    ring = f'<circle class="ring {point.feedback}" cx="{x:.1f}" cy="{y:.1f}" r="8"/>' if said else ""
    return f'<a href="/inspections/{point.id}" tabindex="-1"><title>{title}</title>{ring}{shape}</a>'
