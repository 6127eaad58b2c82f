"""Rows are compared on what both were measured on, and no test claims more than it can."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from blemish.papers.output.pairs import OVER_CATEGORIES, OVER_IMAGES, wilcoxon_p
from blemish.papers.output.summary import Summary, summarise
from blemish.papers.output.text import tests as sentences
from tests.papers.support import CATEGORIES, result, scored, table

ROWS = [{"id": name, "name": name, "config": {"method": "padim"}, "published": {}} for name in "abc"]


def test_over_categories(complete: Summary) -> None:
    pair = next(one for one in complete.pairs if one["metric"] == "image_auroc")
    first, second = (
        np.array(
            [[result(row, name, seed, shift)["image_auroc"] for name in CATEGORIES] for seed in range(2)]
        )
        for row, shift in (("first", 0.5), ("second", 2.0))
    )
    assert pair["difference"] == pytest.approx((first - second).mean())
    assert pair["test"] == OVER_CATEGORIES and pair["p"] == pytest.approx(2 / 2**6)  # all six the same way
    low, high = pair["interval"]
    assert low < pair["difference"] < high < 0


def test_wilcoxon() -> None:
    assert wilcoxon_p(np.zeros(7)) == 1
    assert wilcoxon_p(np.arange(1.0, 9)) == pytest.approx(2 / 2**8)


@pytest.mark.parametrize("categories", [1, 3])
def test_few_categories_are_tested_over_images(categories: int) -> None:
    rng = np.random.default_rng(3)
    of, changes, variances = [], [], []
    for category in CATEGORIES[:categories]:
        wins = []
        for row, shift in (("first", 0.5), ("second", 1.5)):
            scores = rng.normal(size=20) + shift * np.repeat([0.0, 1.0], 10)
            of.append(scored(row, category, scores))
            wins.append(scores[10:, None] > scores[None, :10])
        change = wins[0] - 1.0 * wins[1]  # defective by good
        changes.append(change.mean())
        variances.append(change.mean(axis=1).var(ddof=1) / 10 + change.mean(axis=0).var(ddof=1) / 10)
    error = math.sqrt(sum(variances)) / categories
    image, pixel = summarise(table(), of, []).pairs
    assert image["test"] == OVER_IMAGES and image["difference"] == pytest.approx(np.mean(changes))
    assert image["p"] == pytest.approx(2 * norm.sf(abs(np.mean(changes)) / error))
    assert pixel["p"] is None and pixel["why"] == "A test takes 6 categories or more."
    names = "these categories'" if categories > 1 else "this category's"
    assert f"{names} test images" in sentences([image]) and "Holm" not in sentences([image])
    assert sentences([pixel]) == "A test takes 6 categories or more."


def test_a_row_against_itself_under_another_name() -> None:
    one = result("first", "part0")
    image, _ = summarise(table(), [one, one | {"row": "second"}], []).pairs
    assert image["difference"] == 0 and image["p"] == 1 and not image["significant"]


def test_a_family_is_corrected_together() -> None:
    shifts = {"a": 0.2, "b": 1.0, "c": 3.0}
    of = [result(name, category, 0, shift) for name, shift in shifts.items() for category in CATEGORIES]
    found = summarise(table(rows=ROWS, corrections=()), of, []).pairs
    pairs = [pair for pair in found if pair["metric"] == "image_auroc"]
    assert [(pair["first"], pair["second"]) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    ordered = sorted(pairs, key=lambda pair: pair["p"])
    steps = [(3 - rank) * pair["p"] for rank, pair in enumerate(ordered)]
    wanted = [min(1, max(steps[: rank + 1])) for rank in range(3)]
    assert [pair["p_corrected"] for pair in ordered] == pytest.approx(wanted)
    assert "corrected for the 3 pairs tested (Holm)" in sentences(pairs)


def test_pairs_that_are_not_tested_do_not_count_as_corrected_for() -> None:
    of = [result(name, category) for name in "ab" for category in CATEGORIES]
    of += [result("c", category) for category in CATEGORIES[:3]]
    pairs = summarise(table(rows=ROWS, corrections=()), of, []).pairs
    pixel = [pair for pair in pairs if pair["metric"] == "pixel_auroc"]
    assert [pair["p"] is None for pair in pixel] == [False, True, True]
    assert "Wilcoxon" in sentences(pixel) and "Holm" not in sentences(pixel)


def test_one_good_image_is_too_few() -> None:
    few = [result(row, "part0", labels=[0] * 5 + [1] * 35) for row in ("first", "second")]
    image, _ = summarise(table(), few, []).pairs
    assert image["why"] == "A test takes 10 good and 10 defective images or more."
