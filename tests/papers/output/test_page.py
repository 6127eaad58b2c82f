"""The page of a table: whole in one file, readable on any screen, whatever was measured."""

import re
from pathlib import Path
from typing import Any

import pytest

from blemish.papers.output.page import to_html
from blemish.papers.output.summary import summarise
from blemish.papers.table import find_table
from tests.browser import assert_fits, needs_browser
from tests.papers.support import full, missing, result, section, table


def curve(*losses: float | None) -> list[dict[str, Any]]:
    epochs = enumerate(losses, start=1)
    return [{"epoch": one, "loss": 1.0, "validation_loss": loss, "seconds": 1.0} for one, loss in epochs]


def test_it_is_whole_and_escaped_even_where_nothing_is_measured_yet() -> None:
    of = [one | {"curve": curve(2.0, 1.0)} for one in full()]
    page = to_html(summarise(table(title="<script>alert(1)</script>"), of, [], ["<b>bold</b>"]))
    assert "<script" not in page and "&lt;b&gt;bold" in page
    assert not re.search(r"""(src|href)=["']|@import|url\(""", page)
    shown = ("Learning curves", "Differences between rows", "Not run as in the paper", "75.0†", "A slip.")
    for part in (*shown, "A star marks p below 0.05."):
        assert part in page
    assert page.count('class="chip outside"') > 1
    page = to_html(summarise(table(), [], [missing("first", "part0", 0, "No <folder>.")]))
    assert "Nothing is measured yet" in page and "No &lt;folder&gt;." in page
    assert "Learning curves" not in page


@pytest.mark.parametrize("loss", [None, float("nan"), float("inf")])
def test_a_collapsed_training_is_drawn_as_far_as_it_came(loss: float | None) -> None:
    page = to_html(summarise(table(), [result("first", "part0", curve=curve(0.5, 0.4, loss))], []))
    assert page.count('class="loss mean"') == 1 + 1  # and in the legend
    assert not re.search(r'"[^"]*\b(nan|inf)\b[^"]*"/>', page)
    broken = [result("first", "part0", curve=curve(0.5, loss))]
    assert "Learning curves" not in to_html(summarise(table(), broken, []))


def test_a_line_for_each_training_however_many_rows_share_it() -> None:
    places = [(row, "part0", seed) for row in ("first", "second") for seed in range(3)]
    of = [result(*place, curve=curve(1.0, 0.5, 0.3)) for place in places]
    page = to_html(summarise(table(), of, []))
    assert page.count('class="loss single"') == 6 and page.count('class="loss mean"') == 2 + 2
    page = to_html(summarise(table(), [one | {"fit": "shared"} for one in of], []))
    assert page.count('class="loss mean"') == 1 + 1 and "1*2|3, S_2" in page
    names = [f"part{index}" for index in range(7)]
    of = [result("first", name, curve=curve(1.0, 0.5)) for name in names]
    assert "1 more category is not drawn." in to_html(summarise(table(sections=(section(names),)), of, []))


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(("name", "width"), [("gtrans-2", 390), ("anotrans-3", 390), ("gtrans-2", 1280)])
def test_fits_the_screen(tmp_path: Path, name: str, width: int) -> None:
    printed = find_table(name)
    of = [
        result(row.id, category, seed, data=where.data, curve=curve(2.0, 1.0))
        for row in printed.measured
        for where in printed.sections
        for category in where.categories
        for seed in range(2)
    ]
    page = to_html(summarise(printed, of, [], ["training.epochs is 1 instead of 300."]))
    assert_fits(page, width, tmp_path)
