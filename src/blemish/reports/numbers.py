"""Numbers as pages and terminal print them."""

import math
from collections.abc import Sequence

MINUS = "\N{MINUS SIGN}"


def percent(share: float | None) -> str:
    """0.0488 as "4.9 %" on one line, None as "n/a"."""
    if share is None:
        return "n/a"
    return f"{100 * share:.2g}\u00a0%" if share < 0.1 else f"{100 * share:.1f}\u00a0%".replace(".0", "")


def fraction(value: float | None, *, unit: str = "fraction") -> str:
    """A share as "0.970", with the unit "percent" as "97.0", None as "n/a".

    What is not quite 1 is never rounded up to it.
    """
    if value is None:
        return "n/a"
    scale, digits = (100, 1) if unit == "percent" else (1, 3)
    if 0.9995 <= value < 1:
        return f"{min(scale * value, scale - 10.0 ** -(digits + 1)):.{digits + 1}f}"
    return f"{scale * value:.{digits}f}"


def signed(difference: float, *, unit: str = "fraction") -> str:
    """A difference of shares with its sign: "+0.013", or "0.000" where nothing of it can be seen."""
    text = f"{100 * difference:+.1f}" if unit == "percent" else f"{difference:+.3f}"
    return text.replace("-", MINUS) if float(text) else text[1:]


def interval(low_high: Sequence[float] | None, before: str = "") -> str:
    """`before` and a 95 % interval of an AUROC; resampling cannot show how sure a perfect order is."""
    if low_high is None:
        return "n/a"
    low, high = low_high
    return "perfect on these images" if low == high == 1 else f"{before}{fraction(low)} to {fraction(high)}"


def p_value(p: float) -> str:
    """ "p = 0.012", or "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def short_number(value: float) -> str:
    """Three significant digits, without padding: 0.0123, 12.3, 1.2e-9."""
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def megabytes(count: int) -> str:
    """Bytes as "2.4 MB"."""
    return f"{count / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """Seconds as "45 s", "3 min 20 s" or "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 9.5 else f"{seconds:.0f} s"
    minutes = math.floor(seconds / 60)
    if minutes < 60:
        return f"{minutes} min {int(seconds % 60)} s"
    return f"{minutes // 60} h {minutes % 60} min"


def enumeration(names: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def chance(p_value: float, images: int | None) -> str:
    """A p-value, in (0, 1], in words; `images` were in the calibration that gave it, None if unknown."""
    if images and p_value <= 1 / (images + 1):
        return (
            f"None of the {images} good calibration images looks this unusual: "
            f"at most about 1 in {images + 1} good images does."
        )
    if p_value > 0.1:
        return f"About {100 * p_value:.0f}\u00a0% of good images look at least this unusual."
    return f"About 1 in {round(1 / p_value)} good images looks at least this unusual."


def score(value: float, beside: float | None = None) -> str:
    """A score with three digits: "3.80"; with more where it would read like another one that it is not."""
    for digits in range(3, 18):
        text, other = (f"{number:#.{digits}g}" for number in (value, value if beside is None else beside))
        if text != other or value == beside or beside is None:
            break
    return text.rstrip(".")


def several(count: int, one: str) -> str:
    """A count with its noun: "1 image", "1,204 images"."""
    return f"{count:,} {one if count == 1 else one + 's'}"
