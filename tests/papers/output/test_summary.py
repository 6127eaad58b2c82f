"""Measured numbers beside published ones."""

import math

import numpy as np
import pytest

from blemish.papers.output.summary import Summary, summarise
from tests.papers.support import CATEGORIES, PADIM, full, result, table


def test_a_part_of_an_average_is_not_compared() -> None:
    partial = [one for one in full(1) if one["category"] in CATEGORIES[:2]]
    cell = summarise(table(), partial, []).cell("first", "all", "image_auroc")
    assert cell.categories_measured == 2 and cell.measured > 0
    assert math.isnan(cell.difference) and cell.agreement == ""


def test_published_numbers_are_fractions_and_corrected_and_unprinted_categories_are_shown(
    complete: Summary,
) -> None:
    assert [column.label for column in complete.columns if not column.printed] == CATEGORIES[1:]
    assert math.isnan(complete.cell("first", "mvtec/part3", "image_auroc").published)
    cell = complete.cell("first", "all", "image_auroc")
    assert (cell.published, cell.printed, cell.corrected) == (0.75, 70.0, True)
    assert cell.difference == pytest.approx(cell.measured - 0.75)
    dash = complete.cell("first", "all", "pixel_auroc")
    assert math.isnan(dash.published) and math.isnan(dash.difference) and not dash.corrected


@pytest.mark.parametrize(("unit", "scale"), [("percent", 100), ("fraction", 1)])
def test_a_number_agrees_give_or_take_half_its_last_digit(unit: str, scale: float) -> None:
    def cell(published: float) -> tuple[float, float, str]:
        numbers = {"part0": (published * scale, math.nan)}
        rows = [{"id": "first", "name": "First", "config": PADIM, "published": numbers}]
        found = summarise(table(rows=rows, unit=unit), of, []).cell("first", "part0", "image_auroc")
        assert found.published == pytest.approx(published)
        return found.low, found.high, found.agreement

    scores = np.random.default_rng(1).normal(size=20) + np.repeat([0.0, 1.0], 10)
    of = [result("first", "part0", scores=scores)]
    low, high, _ = cell(0.9)
    assert cell(high + 0.0004)[2] == cell(low - 0.0004)[2] == "inside"
    assert cell(high + 0.0006)[2] == cell(low - 0.0006)[2] == "outside"
