"""Pieces of line drawings, as SVG text."""

import math


def open_svg(description: str, width: float, height: float) -> str:
    """The opening tag of a drawing and what it shows, in words."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{description}">'
        f"<title>{description}</title>"
    )


def text(x: float, y: float, words: str, style: str = "") -> str:
    """Words at a place; `style` is a class of the page's style sheet."""
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{words}</text>'


def linear_ticks(low: float, high: float) -> list[float]:
    """About five round numbers inside [low, high]."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= 6)
    return [step * k for k in range(math.ceil(low / step), math.floor(high / step) + 1)]
