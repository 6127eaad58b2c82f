"""Numbers as pages and terminal print them."""

from typing import Any

import pytest

from blemish.reports import numbers

MINUS = numbers.MINUS


@pytest.mark.parametrize(
    ("function", "options", "values", "printed"),
    [
        ("percent", {}, (None, 0, 0.001, 0.0488, 0.916, 1), "n/a|0 %|0.1 %|4.9 %|91.6 %|100 %"),
        ("fraction", {}, (None, 0.5, 0.97, 0.9996, 0.99999, 1.0), "n/a|0.500|0.970|0.9996|0.9999|1.000"),
        ("fraction", {"unit": "percent"}, (0.97, 0.9996, 0.99999, 1.0), "97.0|99.96|99.99|100.0"),
        ("signed", {}, (0.013, -0.004, -0.0001), f"+0.013|{MINUS}0.004|0.000"),
        ("signed", {"unit": "percent"}, (0.013, -0.004, -0.0001), f"+1.3|{MINUS}0.4|0.0"),
        ("p_value", {}, (0.0123, 0.0004), "p = 0.012|p < 0.001"),
        ("interval", {}, (None, [0.5, 0.75], [1.0, 1.0]), "n/a|0.500 to 0.750|perfect on these images"),
        (
            "interval",
            {"before": "in "},
            ([0.5, 0.75], [1.0, 1.0]),
            "in 0.500 to 0.750|perfect on these images",
        ),
        ("short_number", {}, (0, 1234.5, 0.01234, 1.2e-9), "0|1.23e3|0.0123|1.2e-9"),
        ("megabytes", {}, (2_400_000,), "2.4 MB"),
        ("duration", {}, (0.53, 9.4, 45, 200, 7500), "0.53 s|9.4 s|45 s|3 min 20 s|2 h 5 min"),
        ("enumeration", {}, (["a"], ["a", "b"], ["a", "b", "c"]), "a|a and b|a, b and c"),
    ],
)
def test_printed(function: str, options: dict[str, Any], values: tuple[Any, ...], printed: str) -> None:
    shown = [getattr(numbers, function)(value, **options) for value in values]
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in shown] == printed.split("|")
