"""Means, spreads and intervals; rows are compared on what both have, and no test claims more than it can."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from blemish.errors import BlemishError
from blemish.evaluation.statistics import bootstrap_aurocs, delong, holm
from blemish.papers.output.statistics import OVER_CATEGORIES, OVER_IMAGES, images_of, wilcoxon_p
from blemish.papers.output.summary import Summary, summarise
from blemish.papers.output.text import tests as sentences
from tests.papers.support import CATEGORIES, PADIM, result, section, table

ROWS = [{"id": name, "name": name, "config": PADIM, "published": {}} for name in "abc"]


def areas(row: str, shift: float) -> np.ndarray:
    """Of `full`: seeds by categories."""
    return np.array(
        [[result(row, name, seed, shift)["image_auroc"] for name in CATEGORIES] for seed in range(2)]
    )


class TestMeans:
    def test_means_and_spreads(self, complete: Summary) -> None:
        values = areas("first", 0.5)
        one, average = (complete.cell("first", column, "image_auroc") for column in ("part0", "all"))
        assert (one.measured, one.sd) == pytest.approx((values[:, 0].mean(), values[:, 0].std(ddof=1)))
        spread = values.mean(axis=1).std(ddof=1)
        assert (average.measured, average.sd) == pytest.approx((values.mean(), spread))
        assert (average.categories_measured, average.categories) == (6, 6)

    def test_categories_with_different_seeds(self) -> None:
        found = {("part0", 0): 0.6, ("part0", 1): 0.8, ("part0", 2): 1.0}
        found |= {("part1", 1): 0.5, ("part1", 2): 0.9}
        of = [result("first", *place, image_auroc=area, pixel_auroc=None) for place, area in found.items()]
        summary = summarise(table(sections=(section(CATEGORIES[:2]),)), of, [])
        cell = summary.cell("first", "all", "image_auroc")
        assert cell.measured == pytest.approx((0.8 + 0.7) / 2) and cell.seeds == 2
        assert cell.sd == pytest.approx(np.std([0.65, 0.95], ddof=1))
        assert math.isnan(summary.cell("first", "all", "pixel_auroc").measured)

        for other, seeds in ((0, 1), (1, 0)):  # one seed or none in common has no spread
            of = [result("first", "part0", 0), result("first", "part1", other)]
            cell = summarise(table(), of, []).cell("first", "all", "image_auroc")
            assert math.isnan(cell.sd) and cell.seeds == seeds and cell.categories_measured == 2


class TestImages:
    def test_intervals_are_those_of_a_bootstrap_over_images(self, complete: Summary) -> None:
        of = np.array([[result("first", "part0", seed, 0.5)["scores"] for seed in range(2)]])
        (drawn,) = bootstrap_aurocs(of[..., :20], of[..., 20:], seed=5)
        found = complete.cell("first", "part0", "image_auroc")
        assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.02)
        assert math.isnan(complete.cell("first", "part0", "pixel_auroc").low)

    def test_ties_count_half_and_perfect_order_has_no_interval(self) -> None:
        scores = np.repeat([0.0, 1.0, 1.0, 2.0], 5)
        summary = summarise(table(), [result("first", "part0", scores=scores)], [])
        on = images_of(summary.results)["mvtec", "part0"]
        assert summary.results["image_auroc"][0] == pytest.approx(0.875) == on.aurocs.values[0]
        assert on.draws["first"].mean() == pytest.approx(0.875, abs=0.01)
        summary = summarise(table(), [result("first", "part0", scores=np.repeat([0.0, 1.0], 10))], [])
        cell = summary.cell("first", "part0", "image_auroc")
        assert cell.measured == 1 and math.isnan(cell.low)
        assert cell.difference == pytest.approx(0.1) and cell.agreement == ""

    def test_results_of_other_test_images_are_refused(self) -> None:
        other = result("second", "part0", labels=[0] * 19 + [1] * 21)
        with pytest.raises(BlemishError, match=r"results of part0 .* are of different test images"):
            summarise(table(), [result("first", "part0"), other], [])


class TestPairs:
    def test_over_categories(self, complete: Summary) -> None:
        pair = next(one for one in complete.pairs if one["metric"] == "image_auroc")
        assert pair["difference"] == pytest.approx((areas("first", 0.5) - areas("second", 2.0)).mean())
        assert pair["test"] == OVER_CATEGORIES and pair["p"] == pytest.approx(2 / 2**6)  # all the same way
        assert pair["interval"][0] < pair["difference"] < pair["interval"][1] < 0
        assert wilcoxon_p(np.zeros(7)) == 1

    @pytest.mark.parametrize("categories", [1, 3])
    def test_few_categories_are_tested_over_images(self, categories: int) -> None:
        rng = np.random.default_rng(3)
        rows, of, changes, variances = ("first", "second"), [], [], []
        for category in CATEGORIES[:categories]:
            scores = rng.normal(size=(2, 1, 20))
            scores[..., 10:] += np.array([0.5, 1.5])[:, None, None]
            of += [result(row, category, scores=own[0]) for row, own in zip(rows, scores, strict=True)]
            found, sides = delong(scores[..., :10], scores[..., 10:]), np.array([1, -1])
            changes.append(sides @ found.values)
            variances.append(sides @ found.covariance @ sides)
        error = math.sqrt(sum(variances)) / categories
        image, pixel = summarise(table(), of, []).pairs
        assert image["test"] == OVER_IMAGES and image["difference"] == pytest.approx(np.mean(changes))
        assert image["p"] == pytest.approx(2 * norm.sf(abs(np.mean(changes)) / error))
        assert pixel["p"] is None and pixel["why"] == "A test takes 6 categories or more."
        names = "these categories'" if categories > 1 else "this category's"
        assert f"{names} test images" in sentences([image]) and "Holm" not in sentences([image])
        assert sentences([pixel]) == "A test takes 6 categories or more."

    def test_the_same_scores_do_not_differ_and_five_good_images_are_too_few(self) -> None:
        one = result("first", "part0")
        image, _ = summarise(table(), [one, one | {"row": "second"}], []).pairs
        assert image["difference"] == 0 and image["p"] == 1 and not image["significant"]
        few = [result(row, "part0", labels=[0] * 5 + [1] * 35) for row in ("first", "second")]
        image, _ = summarise(table(), few, []).pairs
        assert image["why"] == "A test takes 10 good and 10 defective images or more."

    def test_a_family_is_corrected_together_and_pairs_that_are_not_tested_do_not_count(self) -> None:
        shifts = {"a": 0.2, "b": 1.0, "c": 3.0}
        of = [result(name, category, 0, shift) for name, shift in shifts.items() for category in CATEGORIES]
        found = summarise(table(rows=ROWS), of, []).pairs
        pairs = [pair for pair in found if pair["metric"] == "image_auroc"]
        assert [pair["first"] + pair["second"] for pair in pairs] == ["ab", "ac", "bc"]
        assert [pair["p_corrected"] for pair in pairs] == pytest.approx(holm([pair["p"] for pair in pairs]))
        assert "corrected for the 3 pairs tested (Holm)" in sentences(pairs)
        found = summarise(table(rows=ROWS), of[:-3], []).pairs  # of the last row, too few categories
        pixel = [pair for pair in found if pair["metric"] == "pixel_auroc"]
        assert [pair["p"] is None for pair in pixel] == [False, True, True]
        assert "Wilcoxon" in sentences(pixel) and "Holm" not in sentences(pixel)
