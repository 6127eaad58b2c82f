"""Drift: found when it is there, hardly ever when it is not, and not claimed from too little."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import ks_2samp

from blemish.station.learning.drift import measure_drift
from blemish.station.recipe import Recipe
from blemish.station.records import Verdict
from tests.station.learning.support import inspect


def gamma(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng(seed).gamma(3, size=size)


@pytest.fixture
def recipe(calibrated: Callable[..., Recipe]) -> Recipe:
    return calibrated(gamma(0, 199), 0.02)


def test_what_went_up_or_down_is_told_and_nothing_else(recipe: Recipe) -> None:
    inspect(recipe, *gamma(1, 210))
    same = measure_drift(recipe)
    exact = ks_2samp(gamma(1, 210)[-200:].astype(np.float32), gamma(0, 199), method="exact")
    assert same.ks == pytest.approx(exact.statistic) and exact.pvalue <= same.p < exact.pvalue + 0.05
    assert (same.count, same.rate, same.message, same.unsure) == (200, 0.02, "", "")
    assert same.p > 0.01 and abs(same.shift) < 0.1 and same.ks < 0.15 and same.alarms < 0.06
    inspect(recipe, *gamma(1, 200) + 2)
    up = measure_drift(recipe)
    assert up.message == (
        f"The last 200 scores are higher than those of the calibration (median by {up.shift:.2g} of its "
        f"range), with {100 * up.alarms:.2g} % alarms: look at light, focus and material, or whether there "
        "really are more defects."
    )
    inspect(recipe, *gamma(2, 200) / 3)
    down = measure_drift(recipe)
    assert down.shift < -0.3 and down.alarms == 0
    assert "lower than" in down.message and down.message.endswith("material, then calibrate again.")


def test_another_spread_matters_only_if_it_alarms(calibrated: Callable[..., Recipe]) -> None:
    recipe = calibrated(np.random.default_rng(0).normal(size=2000), 0.02)
    inspect(recipe, *np.random.default_rng(1).normal(scale=0.3, size=200))
    result = measure_drift(recipe)
    assert result.p < 0.001 and result.message == ""
    inspect(recipe, *np.random.default_rng(2).normal(scale=3, size=200))
    wide = measure_drift(recipe)
    assert "spread more widely" in wide.message and wide.message.endswith("there really are more defects.")


def test_confirmed_defects_other_models_and_failures_do_not_count(recipe: Recipe) -> None:
    inspect(recipe, *gamma(1, 100))
    inspect(recipe, *gamma(3, 20), said=Verdict.GOOD)
    inspect(recipe, *[50.0] * 20, said=Verdict.DEFECT)
    inspect(recipe, *[50.0] * 20, model="b" * 64)
    inspect(recipe, None, None)
    result = measure_drift(recipe)
    assert (result.count, result.message) == (120, "")


def test_too_little_is_said_to_be_too_little(recipe: Recipe, calibrated: Callable[..., Recipe]) -> None:
    inspect(recipe, *[50.0] * 29)
    few = measure_drift(recipe)
    assert (few.count, few.ks, few.p, few.shift, few.message) == (29, None, None, None, "")
    assert few.unsure == "Too few scored images to tell: 29, where 30 are enough."
    inspect(recipe, 50.0)
    assert measure_drift(recipe).message
    poor = calibrated(range(19), 0.1)
    inspect(poor, *[50.0] * 60)
    result = measure_drift(poor)
    assert result.message == ""
    assert result.unsure == "Too few calibration images to tell: 19, where 20 are enough."


def test_a_calibration_of_equal_scores_gives_numbers(calibrated: Callable[..., Recipe]) -> None:
    recipe = calibrated([2.0] * 40, 0.1)
    inspect(recipe, *[2.0] * 40)
    assert (measure_drift(recipe).p, measure_drift(recipe).shift) == (1.0, 0.0)
    inspect(recipe, *[2.5] * 200)
    result = measure_drift(recipe)
    assert result.message and np.isfinite(result.shift)
