"""Measured numbers beside published ones: means, spreads, intervals, differences."""

import math

import numpy as np
import pytest

from blemish.errors import BlemishError
from blemish.evaluation.metrics import auroc
from blemish.papers.output.aggregate import images_of
from blemish.papers.output.summary import Summary, summarise
from tests.papers.support import CATEGORIES, full, result, scored, table


class TestSeedsAndCategories:
    def test_means_and_spreads(self, complete: Summary) -> None:
        values = np.array(
            [[result("first", name, seed, 0.5)["image_auroc"] for name in CATEGORIES] for seed in range(2)]
        )
        one, average = (complete.cell("first", column, "image_auroc") for column in ("part0", "all"))
        assert one.measured == pytest.approx(values[:, 0].mean())
        assert one.sd == pytest.approx(values[:, 0].std(ddof=1))
        assert average.measured == pytest.approx(values.mean())
        assert average.sd == pytest.approx(values.mean(axis=1).std(ddof=1))
        assert (average.categories_measured, average.categories) == (6, 6)

    def test_one_seed_has_no_spread(self) -> None:
        cell = summarise(table(), full(1), []).cell("first", "all", "image_auroc")
        assert math.isnan(cell.sd) and cell.seeds == 1

    def test_categories_with_different_seeds(self) -> None:
        areas = {
            ("part0", 0): 0.6,
            ("part0", 1): 0.8,
            ("part0", 2): 1.0,
            ("part1", 1): 0.5,
            ("part1", 2): 0.9,
        }
        of = [result("first", *place, image_auroc=area, pixel_auroc=None) for place, area in areas.items()]
        two = {"data": "mvtec", "categories": CATEGORIES[:2], "averages": {"all": CATEGORIES[:2]}}
        summary = summarise(table(sections=(two,)), of, [])
        found = summary.cell("first", "all", "image_auroc")
        assert found.measured == pytest.approx((0.8 + 0.7) / 2) and found.seeds == 2
        assert found.sd == pytest.approx(np.std([0.65, 0.95], ddof=1))
        assert math.isnan(summary.cell("first", "all", "pixel_auroc").measured)

    def test_no_seed_in_common(self) -> None:
        of = [result("first", "part0", 0), result("first", "part1", 1)]
        found = summarise(table(), of, []).cell("first", "all", "image_auroc")
        assert math.isnan(found.sd) and found.seeds == 0 and found.categories_measured == 2

    def test_a_part_of_an_average_is_not_compared(self) -> None:
        partial = [one for one in full() if one["category"] in CATEGORIES[:2]]
        cell = summarise(table(), partial, []).cell("first", "all", "image_auroc")
        assert cell.categories_measured == 2 and cell.measured > 0
        assert math.isnan(cell.difference) and cell.agreement == ""

    def test_categories_that_are_not_printed_are_shown(self, complete: Summary) -> None:
        assert [column.label for column in complete.columns if not column.printed] == CATEGORIES[1:]
        assert math.isnan(complete.cell("first", "mvtec/part3", "image_auroc").published)


class TestImages:
    def test_intervals_are_those_of_a_bootstrap_over_images(self, complete: Summary) -> None:
        rng = np.random.default_rng(5)
        of = [np.array(result("first", "part0", seed, 0.5)["scores"]) for seed in range(2)]
        labels, drawn = np.repeat([False, True], 20), []
        for _ in range(2000):
            chosen = [*rng.integers(0, 20, 20), *rng.integers(20, 40, 20)]
            drawn.append(np.mean([auroc(scores[chosen], labels) for scores in of]))
        found = complete.cell("first", "part0", "image_auroc")
        assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)
        assert math.isnan(complete.cell("first", "part0", "pixel_auroc").low)

    def test_ties_count_half(self) -> None:
        scores = np.repeat([0.0, 1.0, 1.0, 2.0], 5)
        summary = summarise(table(), [scored("first", "part0", scores)], [])
        on = images_of(summary.results)["mvtec", "part0"]
        assert summary.results["image_auroc"][0] == pytest.approx(0.875) == on.aurocs.values[0]
        assert on.draws_of("first").mean() == pytest.approx(0.875, abs=0.01)

    def test_perfect_order_has_no_interval(self) -> None:
        summary = summarise(table(), [scored("first", "part0", np.repeat([0.0, 1.0], 10))], [])
        cell = summary.cell("first", "part0", "image_auroc")
        assert cell.measured == 1 and math.isnan(cell.low)
        assert cell.difference == pytest.approx(0.1) and cell.agreement == ""

    def test_results_of_other_test_images_are_refused(self) -> None:
        other = result("second", "part0", labels=[0] * 19 + [1] * 21)
        with pytest.raises(BlemishError, match=r"results of part0 .* are of different test images"):
            summarise(table(), [result("first", "part0"), other], [])


class TestPublished:
    def test_numbers_are_fractions_and_corrected(self, complete: Summary) -> None:
        cell = complete.cell("first", "all", "image_auroc")
        assert (cell.published, cell.printed, cell.corrected) == (0.75, 70.0, True)
        assert cell.difference == pytest.approx(cell.measured - 0.75)
        dash = complete.cell("first", "all", "pixel_auroc")
        assert math.isnan(dash.published) and math.isnan(dash.difference) and not dash.corrected

    @pytest.mark.parametrize(("unit", "scale"), [("percent", 100), ("fraction", 1)])
    def test_a_number_agrees_give_or_take_half_its_last_digit(self, unit: str, scale: float) -> None:
        def cell(published: float) -> tuple[float, float, str]:
            row = {"id": "first", "name": "First", "config": {"method": "padim"}}
            rows = [row | {"published": {"part0": (published * scale, math.nan)}}]
            summary = summarise(table(rows=rows, unit=unit, corrections=()), of, [])
            found = summary.cell("first", "part0", "image_auroc")
            assert found.published == pytest.approx(published)
            return found.low, found.high, found.agreement

        scores = np.random.default_rng(1).normal(size=20) + np.repeat([0.0, 1.0], 10)
        of = [scored("first", "part0", scores)]
        low, high, _ = cell(0.9)
        assert cell(high + 0.0004)[2] == cell(low - 0.0004)[2] == "inside"
        assert cell(high + 0.0006)[2] == cell(low - 0.0006)[2] == "outside"
