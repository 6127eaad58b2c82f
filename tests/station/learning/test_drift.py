"""Drift: found when it is there, hardly ever when it is not, and not claimed from too little."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from blemish.station.learning.drift import chance, distance, measure_drift
from blemish.station.records import Verdict
from tests.station.learning.support import ScoredStation

stats = pytest.importorskip("scipy.stats")


@pytest.fixture
def station(tmp_path: Path) -> Iterator[ScoredStation]:
    one = ScoredStation(tmp_path, np.random.default_rng(0).gamma(3, size=199), 0.02)
    yield one
    one.close()


def gamma(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng(seed).gamma(3, size=size)


@pytest.mark.parametrize(("n", "m"), [(30, 20), (200, 199), (200, 5000)])
def test_distance_and_chance_are_those_of_scipy(n: int, m: int) -> None:
    rng = np.random.default_rng(n + m)
    for shift in (0, 0.1, 0.5, 3):
        one, other = rng.normal(size=n), rng.normal(shift, size=m)
        one[:5] = other[:5]  # equal values
        expected = stats.ks_2samp(one, other, method="asymp")
        found = distance(one, other)
        assert found == pytest.approx(expected.statistic, abs=1e-12)
        root = found * np.sqrt(n * m / (n + m))
        assert chance(found, n, m) == pytest.approx(stats.kstwobign.sf(root), abs=1e-12)
        exact = stats.ks_2samp(one, other, method="exact").pvalue
        assert chance(found, n, m) == pytest.approx(exact, abs=0.05)
    assert chance(0, n, m) == 1
    assert chance(1, n, m) < 1e-9


def test_without_drift_the_share_of_warnings_is_what_is_promised() -> None:
    rng = np.random.default_rng(0)
    trials = 4000
    p = [
        chance(distance(one, other), 200, 199)
        for one, other in zip(rng.gamma(3, size=(trials, 200)), rng.gamma(3, size=(trials, 199)), strict=True)
    ]
    for level in (0.001, 0.01, 0.1):
        four_deviations = 4 * np.sqrt(level * (1 - level) / trials)
        assert np.mean(np.array(p) < level) <= level + four_deviations
    assert np.mean(np.array(p) < 0.1) > 0.06  # nor is it deaf


def test_no_drift_says_nothing(station: ScoredStation) -> None:
    station.inspect(*gamma(1, 500))
    result = measure_drift(station)
    assert (result.count, result.message, result.unsure) == (200, "", "")
    assert result.p > 0.01 and abs(result.shift) < 0.1 and result.ks < 0.15
    assert result.alarms < 0.06 and result.rate == 0.02


def test_what_went_up_and_what_went_down(station: ScoredStation) -> None:
    station.inspect(*gamma(1, 200) + 2)
    up = measure_drift(station)
    assert up.message == (
        f"The last 200 scores are higher than those of the calibration (median by {up.shift:.2g} of its "
        f"range), with {100 * up.alarms:.2g} % alarms: look at light, focus and material, or whether there "
        "really are more defects."
    )
    station.inspect(*gamma(2, 200) / 3)
    down = measure_drift(station)
    assert down.shift < -0.3 and down.alarms == 0
    assert "lower than" in down.message and down.message.endswith("material, then calibrate again.")


def test_a_change_that_does_not_matter_is_no_warning(tmp_path: Path) -> None:
    """Another spread around the same median is a difference for sure, but matters only if it alarms."""
    known = np.random.default_rng(0).normal(size=2000)
    station = ScoredStation(tmp_path, known, 0.02)
    station.inspect(*np.random.default_rng(1).normal(scale=0.3, size=200))
    result = measure_drift(station)
    assert result.p < 0.001 and result.message == ""
    station.inspect(*np.random.default_rng(2).normal(scale=3, size=200))
    wide = measure_drift(station)  # the same median, but many alarms
    assert "spread more widely" in wide.message and wide.message.endswith("there really are more defects.")
    station.close()


def test_confirmed_defects_other_models_and_failures_do_not_count(station: ScoredStation) -> None:
    station.inspect(*gamma(1, 100))
    station.inspect(*gamma(3, 20), said=Verdict.GOOD)
    station.inspect(*[50.0] * 100, said=Verdict.DEFECT)
    station.inspect(*[50.0] * 100, model="b" * 64)
    station.inspect(None, None)
    result = measure_drift(station)
    assert (result.count, result.message) == (100, "")  # of the last 200


def test_too_little_is_said_to_be_too_little(station: ScoredStation, tmp_path: Path) -> None:
    station.inspect(*[50.0] * 29)
    few = measure_drift(station)
    assert (few.count, few.ks, few.p, few.shift, few.message) == (29, None, None, None, "")
    assert few.unsure == "Too few scored images to tell: 29, where 30 are enough."
    station.inspect(50.0)
    assert measure_drift(station).message
    poor = ScoredStation(tmp_path / "other", np.arange(19), 0.1)
    poor.inspect(*[50.0] * 60)
    result = measure_drift(poor)
    assert (result.message, result.unsure) == (
        "",
        "Too few calibration images to tell: 19, where 20 are enough.",
    )
    poor.close()


def test_a_calibration_of_equal_scores_gives_numbers(tmp_path: Path) -> None:
    station = ScoredStation(tmp_path, [2.0] * 40, 0.1)
    station.inspect(*[2.0] * 40)
    assert (measure_drift(station).p, measure_drift(station).shift) == (1.0, 0.0)
    station.inspect(*[2.5] * 200)
    result = measure_drift(station)
    assert result.message and np.isfinite(result.shift)
    station.close()
