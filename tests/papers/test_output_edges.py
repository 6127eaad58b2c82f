"""Edges of a table's output: uneven seeds, ties, roundings, odd names, and sentences that must stay true."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from blemish.papers.measured import Measured, Missing
from blemish.papers.output import words
from blemish.papers.output.aggregate import images_of
from blemish.papers.output.latex import escape
from blemish.papers.output.markdown import to_markdown
from blemish.papers.output.numbers import MINUS, NONE, number, signed
from blemish.papers.output.page import to_html
from blemish.papers.output.summarise import summarise
from blemish.papers.table import load_tables
from tests.papers.test_summary import CATEGORIES, full, measured, table

LABELS = [0] * 10 + [1] * 10


def scored(row: str, category: str, scores: list[float], seed: int = 0) -> Measured:
    """One result with the area that its scores have, counted pair by pair."""
    pairs = list(product(scores[:10], scores[10:]))
    area = sum((bad > good) + (bad == good) / 2 for good, bad in pairs) / len(pairs)
    metrics = {"image_auroc": area, "pixel_auroc": 0.9}
    return measured(row, category, seed, scores=scores, labels=LABELS, metrics=metrics)


class TestSeeds:
    def test_categories_with_different_seeds(self) -> None:
        areas = {
            ("part0", 0): 0.6,
            ("part0", 1): 0.8,
            ("part0", 2): 1.0,
            ("part1", 1): 0.5,
            ("part1", 2): 0.9,
        }
        of = [
            measured("first", category, seed, metrics={"image_auroc": area, "pixel_auroc": None})
            for (category, seed), area in areas.items()
        ]
        two = {"data": "mvtec", "categories": CATEGORIES[:2], "averages": {"all": CATEGORIES[:2]}}
        found = summarise(table(sections=(two,)), of, []).cell("first", "all", "image_auroc").measured
        assert found and found.mean == pytest.approx((0.8 + 0.7) / 2)
        assert found.seeds == ((1, pytest.approx(0.65)), (2, pytest.approx(0.95)))
        assert found.sd == pytest.approx(np.std([0.65, 0.95], ddof=1))

    def test_no_seed_in_common(self) -> None:
        summary = summarise(table(), [measured("first", "part0", 0), measured("first", "part1", 1)], [])
        found = summary.cell("first", "all", "image_auroc").measured
        assert found and found.sd is None and found.seeds == () and found.of == 2
        assert "One seed" in " ".join(words.reading(summary))


class TestImages:
    def test_ties_count_half(self) -> None:
        scores = [0.0] * 5 + [1.0] * 5 + [1.0] * 5 + [2.0] * 5
        one = scored("first", "part0", scores)
        on = images_of([one])["mvtec", "part0"]
        assert one.metrics["image_auroc"] == pytest.approx(0.875) == on.aurocs.values[0]
        assert on.draws_of("first").mean() == pytest.approx(0.875, abs=0.01)

    def test_perfect_order_has_no_interval(self) -> None:
        summary = summarise(table(), [scored("first", "part0", [0.0] * 10 + [1.0] * 10)], [])
        cell = summary.cell("first", "part0", "image_auroc")
        assert cell.measured and cell.measured.mean == 1 and cell.measured.interval is None
        assert cell.difference == pytest.approx(0.1) and cell.agrees is None

    @pytest.mark.parametrize("categories", [1, 3])
    def test_p_over_images_is_delongs(self, categories: int) -> None:
        rng = np.random.default_rng(3)
        of, changes, variances = [], [], []
        for category in CATEGORIES[:categories]:
            wins = []
            for row, shift in (("first", 0.5), ("second", 1.5)):
                scores = rng.normal(size=20) + shift * np.array(LABELS)
                of.append(scored(row, category, scores.tolist()))
                wins.append(scores[10:, None] > scores[None, :10])
            change = wins[0] - 1.0 * wins[1]  # defective by good
            changes.append(change.mean())
            variances.append(change.mean(axis=1).var(ddof=1) / 10 + change.mean(axis=0).var(ddof=1) / 10)
        error = math.sqrt(sum(variances)) / categories
        image, _ = summarise(table(), of, []).pairs
        assert image.difference == pytest.approx(np.mean(changes))
        assert image.p == pytest.approx(2 * norm.sf(abs(np.mean(changes)) / error))

    def test_a_family_is_corrected_together(self) -> None:
        rows = [
            {"id": name, "name": name, "config": {"method": "padim"}, "published": {}}
            for name in ("a", "b", "c")
        ]
        of = [
            measured(name, category, 0, shift)
            for name, shift in (("a", 0.2), ("b", 1.0), ("c", 3.0))
            for category in CATEGORIES
        ]
        summary = summarise(table(rows=rows, corrections=()), of, [])
        pairs = [pair for pair in summary.pairs if pair.metric == "image_auroc"]
        assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
        ordered = sorted(pairs, key=lambda pair: pair.p or 0)
        steps = [(3 - rank) * (pair.p or 0) for rank, pair in enumerate(ordered)]
        wanted = [min(1, max(steps[: rank + 1])) for rank in range(3)]
        assert [pair.p_corrected for pair in ordered] == pytest.approx(wanted)
        assert "corrected for the 3 pairs tested (Holm)" in words.tests(pairs)


class TestRounding:
    @pytest.mark.parametrize(("unit", "printed"), [("percent", 90.0), ("fraction", 0.9)])
    def test_a_number_agrees_give_or_take_half_its_last_digit(self, unit: str, printed: float) -> None:
        first = {"id": "first", "name": "First", "config": {"method": "padim"}}
        rows = [first | {"published": {"part0": (printed, math.nan)}}]
        rng = np.random.default_rng(1)
        scores = (rng.normal(size=20) + np.array(LABELS)).tolist()
        of = [scored("first", "part0", scores)]
        cell = summarise(table(rows=rows, unit=unit, corrections=()), of, []).cell(
            "first", "part0", "image_auroc"
        )
        assert cell.published == pytest.approx(0.9) and cell.measured and cell.measured.interval
        low, high = cell.measured.interval
        for value, agrees in (
            (high + 0.0004, True),
            (high + 0.0006, False),
            (low - 0.0004, True),
            (low - 0.0006, False),
        ):
            rows = [first | {"published": {"part0": (value * printed / 0.9, math.nan)}}]
            summary = summarise(table(rows=rows, unit=unit, corrections=()), of, [])
            assert summary.cell("first", "part0", "image_auroc").agrees is agrees

    def test_numbers(self) -> None:
        assert [number(value, "percent") for value in (None, 0.97, 0.9996, 0.99999, 1.0)] == [
            NONE,
            "97.0",
            "99.96",
            "99.99",
            "100.0",
        ]
        assert [number(value, "fraction") for value in (0.97, 0.99999, 1.0)] == ["0.970", "0.9999", "1.000"]
        assert [signed(value, "percent") for value in (0.013, -0.004, -0.0001)] == [
            "+1.3",
            f"{MINUS}0.4",
            "0.0",
        ]


class TestWords:
    def test_intervals_are_explained_where_they_are_shown(self) -> None:
        summary = summarise(table(), full(), [])
        (sentence,) = words.intervals(summary)
        assert sentence in to_html(summary) and sentence not in to_markdown(summary)
        assert words.intervals(summarise(table(), [], [])) == []

    def test_no_correction_is_claimed_for_pairs_without_a_test(self) -> None:
        summary = summarise(table(), [one for one in full() if one.category in CATEGORIES[:3]], [])
        image, pixel = summary.pairs
        assert "these categories' test images" in words.tests([image]) and "Holm" not in words.tests([image])
        assert words.tests([pixel]) == "A test takes 6 categories or more."

    def test_pairs_that_are_not_tested_do_not_count_as_corrected_for(self) -> None:
        rows = [{"id": name, "name": name, "config": {"method": "padim"}, "published": {}} for name in "abc"]
        of = [measured(name, category, 0) for name in "ab" for category in CATEGORIES]
        of += [measured("c", category, 0) for category in CATEGORIES[:3]]
        pairs = summarise(table(rows=rows, corrections=()), of, []).pairs
        pixel = [pair for pair in pairs if pair.metric == "pixel_auroc"]
        assert [pair.p is None for pair in pixel] == [False, True, True]
        assert "Wilcoxon" in words.tests(pixel) and "Holm" not in words.tests(pixel)

    def test_reasons_stay_apart(self) -> None:
        gone = [
            Missing("first", "mvtec", "part0", 0, "No images."),
            Missing("first", "mvtec", "part1", 0, "No masks."),
            Missing("second", "mvtec", "part0", 0, "No images."),
            Missing("second", "mvtec", "part1", 1, "No masks."),
        ]
        text = to_markdown(summarise(table(), [], gone))
        assert "- 1 category (part0), all rows, seed 0: No images." in text
        assert "- 1 category (part1), 1\\*2\\|3, seed 0: No masks." in text
        assert "- 1 category (part1), S\\_2, seed 1: No masks." in text

    @pytest.mark.parametrize(
        ("name", "plain"),
        [("*a_b*", "\\*a\\_b\\*"), ("a|b", "a\\|b"), ("~~a~~ &lt;", "\\~\\~a\\~\\~ \\&lt;")],
    )
    def test_names_mean_nothing_to_markdown(self, name: str, plain: str) -> None:
        rows: list[dict[str, Any]] = [{"id": "first", "name": name, "published": {}}]
        text = to_markdown(summarise(table(rows=rows, corrections=()), [], []))
        assert f"| {plain} (quoted) | {NONE} | {NONE} |" in text

    def test_a_line_of_latex_begins_with_no_argument_of_the_line_break(self) -> None:
        assert escape("*a [1]") == "{*}a {[}1]"

    def test_all_words_of_the_papers_are_fit_for_latex(self) -> None:
        for one in load_tables().values():
            rows = [row.name for row in one.rows]
            slips = [correction.why for correction in one.corrections]
            texts = [one.title, one.source, *rows, *one.columns, *one.labels.values(), *slips]
            assert escape(" ".join(texts)).isascii()


def test_one_left_out_category_is_singular() -> None:
    names = [f"part{index}" for index in range(7)]
    section = {"data": "mvtec", "categories": names, "averages": {"all": names}}
    of = [measured("first", name, 0) for name in names]
    assert "1 more category is not drawn." in to_html(summarise(table(sections=(section,)), of, []))
