"""The comparison's line drawing, as SVG text. Names of methods are harmless: they come from the registry."""

from collections.abc import Sequence

from blemish.reports.numbers import fraction, short_number
from blemish.reports.svg import linear_ticks, open_svg, text

WIDTH, LEFT, RIGHT = 540, 14, 54
TOP, ROW, BOTTOM = 12, 48, 40


def interval_figure(
    rows: Sequence[tuple[str, float, Sequence[float]]], chosen: str | None, measure: str
) -> str:
    """One dot and its 95 % interval per method.

    Args:
        rows: label, value and [low, high] of each method, in 0..1.
        chosen: the label that is drawn strong, or None.
        measure: what the axis shows.
    """
    lowest = min(interval[0] for _, _, interval in rows)
    low = max(0.0, lowest - max(0.02, 0.1 * (1 - lowest)))
    height = TOP + ROW * len(rows) + BOTTOM
    bottom = TOP + ROW * len(rows)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (1 - low)

    parts = [open_svg(f"{measure} of each method with its 95 % interval", WIDTH, height)]
    for value in linear_ticks(low, 1):
        parts.append(f'<line class="grid" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(text(x(value), bottom + 17, short_number(value), "small middle"))
    for index, (label, value, interval) in enumerate(rows):
        y = TOP + ROW * index + 32
        kind = "chosen" if label == chosen else "other"
        parts += [
            text(LEFT, y - 12, label, "strong" if label == chosen else ""),
            f'<line class="interval {kind}" x1="{x(interval[0]):.1f}" x2="{x(interval[1]):.1f}" '
            f'y1="{y}" y2="{y}"/>',
            f'<circle class="dot {kind}" cx="{x(value):.1f}" cy="{y}" r="6"/>',
            text(WIDTH - RIGHT + 10, y + 5, fraction(value)),
        ]
    parts += [text(LEFT, height - 4, measure, "small"), "</svg>"]
    return "".join(parts)
