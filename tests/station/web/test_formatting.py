"""Numbers in words."""

import pytest

from blemish.station.web.pages import chance, score, several


def test_chances() -> None:
    assert chance(0.004, 1000) == "About 1 in 250 good images looks at least this unusual."
    assert chance(0.4, 1000) == "About 40\u00a0% of good images look at least this unusual."
    assert chance(1 / 200, 199).startswith("None of the 199 good calibration images looks this unusual")
    assert chance(0.01, None) == "About 1 in 100 good images looks at least this unusual."


@pytest.mark.parametrize(
    ("value", "beside", "text"),
    [(3.8, None, "3.80"), (1234.5, None, "1.23e+03"), (0.50001, 0.5, "0.50001"), (2.0, 2.0, "2.00")],
)
def test_a_score_has_as_many_digits_as_tell_it_from_another(
    value: float, beside: float | None, text: str
) -> None:
    assert score(value, beside) == text


def test_counts() -> None:
    assert [several(count, "image") for count in (1, 1204)] == ["1 image", "1,204 images"]
