"""Numbers as the page prints them."""


def percent(share: float | None) -> str:
    """0.0488 as "4.9 %" on one line, None as "n/a"."""
    if share is None:
        return "n/a"
    return f"{100 * share:.2g}\u00a0%" if share < 0.1 else f"{100 * share:.1f}\u00a0%".replace(".0", "")


def fraction(value: float | None) -> str:
    """Three decimals, None as "n/a". What is not quite 1 is never rounded up to it."""
    if value is None:
        return "n/a"
    return f"{min(value, 0.9999):.4f}" if 0.9995 <= value < 1 else f"{value:.3f}"


def short_number(value: float) -> str:
    """Three significant digits, without padding: 0.0123, 12.3, 1.2e-9."""
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa
