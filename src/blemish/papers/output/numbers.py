"""Numbers of a table in the unit that its paper prints, percent or fraction."""

from blemish.papers.output.aggregate import Statistic

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"


def number(value: float | None, unit: str) -> str:
    """A fraction as "97.0" percent or as "0.970". What is not quite 1 is never rounded up to it."""
    if value is None:
        return NONE
    scale, digits = (100, 1) if unit == "percent" else (1, 3)
    if 0.9995 <= value < 1:
        return f"{min(scale * value, scale - 10.0 ** -(digits + 1)):.{digits + 1}f}"
    return f"{scale * value:.{digits}f}"


def spread(value: float, unit: str) -> str:
    """A standard deviation, given as a fraction."""
    return f"{100 * value:.1f}" if unit == "percent" else f"{value:.3f}"


def signed(value: float, unit: str) -> str:
    """A difference of fractions, with its sign: "+1.3", or "0.0" where nothing of it can be seen."""
    text = f"{100 * value:+.1f}" if unit == "percent" else f"{value:+.3f}"
    if not float(text):
        return text[1:]
    return text.replace("-", MINUS)


def interval(bounds: list[float], unit: str) -> str:
    """Two fractions as "95.1 to 98.0"."""
    return " to ".join(number(bound, unit) for bound in bounds)


def coverage(measured: Statistic) -> str:
    """How much of an average is measured: "3 of 15", or "" for all of it."""
    return "" if measured.complete else f"{measured.of} of {measured.categories}"
