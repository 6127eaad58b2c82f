"""Numbers as pages and terminal print them."""

import pytest

from blemish.reports.numbers import (
    MINUS,
    duration,
    enumeration,
    fraction,
    interval,
    p_value,
    percent,
    short_number,
    signed,
)

SPACE = "\N{NO-BREAK SPACE}"


def test_shares() -> None:
    shares = (None, 0, 0.001, 0.0488, 0.916, 1)
    assert [percent(share).replace(SPACE, " ") for share in shares] == [
        *("n/a", "0 %", "0.1 %", "4.9 %", "91.6 %", "100 %")
    ]
    assert [fraction(value) for value in (None, 0.5, 0.99996, 1)] == ["n/a", "0.500", "0.9999", "1.000"]


@pytest.mark.parametrize(
    ("unit", "printed"),
    [("percent", ["97.0", "99.96", "99.99", "100.0"]), ("fraction", ["0.970", "0.9996", "0.9999", "1.000"])],
)
def test_what_is_not_quite_one_is_never_rounded_up(unit: str, printed: list[str]) -> None:
    assert [fraction(value, unit=unit) for value in (0.97, 0.9996, 0.99999, 1.0)] == printed


def test_differences() -> None:
    assert [signed(value, unit="percent") for value in (0.013, -0.004, -0.0001)] == [
        *("+1.3", f"{MINUS}0.4", "0.0")
    ]
    assert [signed(value) for value in (0.013, -0.004, -0.0001)] == ["+0.013", f"{MINUS}0.004", "0.000"]
    assert [p_value(p) for p in (0.0123, 0.0004)] == ["p = 0.012", "p < 0.001"]


def test_intervals() -> None:
    assert interval(None) == "n/a" and interval([0.5, 0.75]) == "0.500 to 0.750"
    assert interval([1.0, 1.0]) == "perfect on these images"


def test_amounts() -> None:
    assert [short_number(value) for value in (0, 1234.5, 0.01234, 1.2e-9)] == [
        *("0", "1.23e3", "0.0123", "1.2e-9")
    ]
    assert [duration(seconds) for seconds in (0.53, 9.4, 45, 200, 7500)] == [
        *("0.53 s", "9.4 s", "45 s", "3 min 20 s", "2 h 5 min")
    ]
    assert [enumeration(list(names)) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
