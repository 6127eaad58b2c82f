"""The page's line drawings, as SVG text. Only numbers go in, so nothing needs escaping."""

import math

import numpy as np

from blemish.reports.numbers import percent, short_number
from blemish.reports.svg import linear_ticks, open_svg, text

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 24, 30, 46
PLOT_WIDTH, PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

BINS = 32
MAX_CORNERS = 500
LOGARITHMIC_FROM = 30  # ratio of the highest score to the lowest


def roc_figure(fpr: np.ndarray, tpr: np.ndarray, false_alarms: float, found: float) -> str:
    """The ROC curve with the threshold in force as a ring.

    Args:
        fpr, tpr: [n] in 0..1, ascending, as `blemish.evaluation.metrics.roc_curve` gives them.
        false_alarms, found: the two rates at the threshold in force, in 0..1.
    """
    fpr, tpr = _corners(fpr, tpr)
    points = " ".join(f"{_x(a):.1f},{_y(b):.1f}" for a, b in zip(fpr, tpr, strict=True))
    ring_x, ring_y = _x(false_alarms), _y(found)
    right = false_alarms < 0.5
    below = found > 0.15
    parts = [
        open_svg(
            "ROC curve: share of defective images found against share of good images flagged", WIDTH, HEIGHT
        ),
        *(_grid_x(_x(tick), percent(tick)) for tick in (0, 0.25, 0.5, 0.75, 1)),
        *(_grid_y(_y(tick), percent(tick)) for tick in (0, 0.25, 0.5, 0.75, 1)),
        f'<line class="chance" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>',
        text(_x(0.72), _y(0.62), "chance", "small"),
        f'<polyline class="curve" points="{points}"/>',
        f'<circle class="ring" cx="{ring_x:.1f}" cy="{ring_y:.1f}" r="6"/>',
        text(
            ring_x + (12 if right else -12),
            ring_y + (20 if below else -10),
            "at the threshold",
            "strong" + ("" if right else " end"),
        ),
        text(LEFT + PLOT_WIDTH / 2, HEIGHT - 8, "good images flagged", "middle"),
        text(LEFT, TOP - 12, "defective images found"),
        "</svg>",
    ]
    return "".join(parts)


def score_figure(good: np.ndarray, defective: np.ndarray, threshold: float) -> str:
    """Histogram of the scores: good images upwards, defective ones downwards, the threshold across.

    The score axis is logarithmic where scores span orders of magnitude.

    Args:
        good, defective: [n] finite scores; either may be empty, not both.
        threshold: the score above which an image is anomalous.
    """
    everything = np.concatenate([good, defective, [threshold]])
    low, high = float(everything.min()), float(everything.max())
    logarithmic = low > 0 and high / low > LOGARITHMIC_FROM
    if logarithmic:
        low, high = math.log10(low), math.log10(high)
    margin = 0.03 * (high - low) or 0.05 * abs(high) or 1.0
    low, high = low - margin, high + margin

    def place(score: float) -> float:
        return LEFT + PLOT_WIDTH * ((math.log10(score) if logarithmic else score) - low) / (high - low)

    edges = np.linspace(low, high, BINS + 1)
    shares = []
    for scores in (good, defective):
        counts, _ = np.histogram(np.log10(scores) if logarithmic else scores, edges)
        shares.append(counts / max(1, len(scores)))
    tallest = max(share.max() for share in shares)
    middle, half = TOP + PLOT_HEIGHT / 2, PLOT_HEIGHT / 2 - 4
    bar = PLOT_WIDTH / BINS

    parts = [
        open_svg(
            "Histogram of image scores: good images above the line, defective images below it", WIDTH, HEIGHT
        )
    ]
    ticks = _log_ticks(low, high) if logarithmic else linear_ticks(low, high)
    parts += [_grid_x(place(tick), short_number(tick)) for tick in ticks]
    for y in (middle - half, middle + half):
        parts.append(_grid_y(y, percent(tallest)))
    parts.append(_grid_y(middle, percent(0)))
    for name, share, up in (("good", shares[0], True), ("bad", shares[1], False)):
        for index in np.flatnonzero(share):
            height = half * share[index] / tallest
            parts.append(
                f'<rect class="{name}" x="{LEFT + index * bar + 0.5:.1f}" '
                f'y="{middle - height if up else middle:.1f}" width="{bar - 1:.1f}" height="{height:.1f}"/>'
            )
    x = place(threshold)
    right = x < LEFT + PLOT_WIDTH / 2
    parts += [
        f'<line class="threshold" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{TOP + PLOT_HEIGHT}"/>',
        text(x, TOP - 12, f"threshold {short_number(threshold)}", "strong" + ("" if right else " end")),
        text(WIDTH - RIGHT - 4, TOP + 16, f"good ({len(good)})", "label-good end"),
        text(WIDTH - RIGHT - 4, TOP + PLOT_HEIGHT - 8, f"defective ({len(defective)})", "label-bad end"),
        text(
            LEFT + PLOT_WIDTH / 2,
            HEIGHT - 8,
            "score (logarithmic axis)" if logarithmic else "score",
            "middle",
        ),
        "</svg>",
    ]
    return "".join(parts)


def _corners(fpr: np.ndarray, tpr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points where the curve turns, thinned out evenly when there are very many."""
    steps = np.column_stack([np.diff(fpr), np.diff(tpr)])
    turns = np.abs(steps[1:, 0] * steps[:-1, 1] - steps[1:, 1] * steps[:-1, 0]) > 1e-12
    keep = np.flatnonzero(np.concatenate([[True], turns, [True]]))
    if len(keep) > MAX_CORNERS:
        keep = keep[np.linspace(0, len(keep) - 1, MAX_CORNERS).round().astype(int)]
    return fpr[keep], tpr[keep]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten inside [10^low, 10^high], every second or third of them when there are many."""
    decades = range(math.ceil(low), math.floor(high) + 1)
    return [10.0**k for k in decades[:: 1 + len(decades) // 6]]


def _x(share: float) -> float:
    return LEFT + PLOT_WIDTH * share


def _y(share: float) -> float:
    return TOP + PLOT_HEIGHT * (1 - share)


def _grid_x(x: float, label: str) -> str:
    line = f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + PLOT_HEIGHT}"/>'
    return line + text(x, TOP + PLOT_HEIGHT + 17, label, "small middle")


def _grid_y(y: float, label: str) -> str:
    line = f'<line class="grid" x1="{LEFT}" x2="{LEFT + PLOT_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + text(LEFT - 7, y + 4, label, "small end")
