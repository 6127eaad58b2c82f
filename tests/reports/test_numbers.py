"""Numbers as pages and terminal print them."""

from typing import Any

import pytest

from blemish.reports import numbers
from blemish.reports.numbers import chance, score, several

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


def test_chances_and_counts_in_words() -> None:
    assert chance(0.004, 1000) == "About 1 in 250 good images looks at least this unusual."
    assert chance(0.4, 1000) == "About 40\u00a0% of good images look at least this unusual."
    assert chance(1 / 200, 199).startswith("None of the 199 good calibration images looks this unusual")
    assert chance(0.01, None) == "About 1 in 100 good images looks at least this unusual."
    assert [several(count, "image") for count in (1, 1204)] == ["1 image", "1,204 images"]


@pytest.mark.parametrize(
    ("value", "beside", "text"),
    [(3.8, None, "3.80"), (1234.5, None, "1.23e+03"), (0.50001, 0.5, "0.50001"), (2.0, 2.0, "2.00")],
)
def test_a_score_has_the_digits_that_tell_it_apart(value: float, beside: float | None, text: str) -> None:
    assert score(value, beside) == text
