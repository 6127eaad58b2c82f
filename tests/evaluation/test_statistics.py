"""Tests and intervals of differences, against brute force, scipy and scikit-learn."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from blemish.calibration import Calibration
from blemish.evaluation.metrics import auroc
from blemish.evaluation.statistics import (
    bootstrap_aurocs,
    bootstrap_clustered,
    bootstrap_p,
    delong,
    delong_p,
    false_alarm_p,
    holm,
    rank_correlation,
    resample,
)


def scores(
    seed: int, methods: int = 3, seeds: int = 1, good: int = 25, defective: int = 40
) -> tuple[np.ndarray, np.ndarray]:
    """Correlated scores with ties."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 1, good + defective)
    noise = rng.normal(0, 1, (methods, seeds, good + defective))
    values = np.round(shared + noise, 1)
    values[..., good:] += 0.7
    return values[..., :good], values[..., good:]


def structural_components(good: np.ndarray, defective: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of one method, by the definition: the kernel over all pairs, averaged over either side."""
    kernel = np.array([[(d > g) + 0.5 * (d == g) for g in good] for d in defective], float)
    return kernel.mean(axis=1), kernel.mean(axis=0)


class TestDeLong:
    @pytest.mark.parametrize("seeds", [1, 3])
    def test_as_defined(self, seeds: int) -> None:
        """Where a method has several seeds, their components are averaged."""
        good, defective = scores(7, seeds=seeds)
        found = delong(good, defective)
        parts = [[structural_components(good[m, s], defective[m, s]) for s in range(seeds)] for m in range(3)]
        of_defective, of_good = (
            np.array([np.mean([one[side] for one in of], axis=0) for of in parts]) for side in (0, 1)
        )
        np.testing.assert_allclose(found.covariance, np.cov(of_defective) / 40 + np.cov(of_good) / 25)
        labels = np.repeat([0, 1], [25, 40])
        for method in range(3):
            joined = np.concatenate([good[method], defective[method]], axis=1)
            assert found.values[method] == pytest.approx(np.mean([auroc(one, labels) for one in joined]))

    def test_p_value(self) -> None:
        good, defective = scores(5)
        found = delong(good, defective)
        error = np.sqrt(np.array([1, -1]) @ found.covariance[:2, :2] @ np.array([1, -1]))
        z = (found.values[0] - found.values[1]) / error
        assert delong_p(found, 0, 1) == pytest.approx(2 * stats.norm.sf(abs(z)))
        assert delong_p(found, 0, 1) == delong_p(found, 1, 0)

    def test_rejects_as_often_as_it_says(self) -> None:
        p_values = [delong_p(delong(*scores(seed, methods=2)), 0, 1) for seed in range(100, 500)]
        assert 0.02 < np.mean(np.array(p_values, float) < 0.05) < 0.09

    def test_the_same_scores_do_not_differ(self) -> None:
        good, defective = scores(0, methods=1)
        found = delong(np.repeat(good, 2, axis=0), np.repeat(defective, 2, axis=0))
        assert delong_p(found, 0, 1) == 1.0
        assert delong(good, defective).covariance.shape == (1, 1)

    def test_too_few_images_of_a_class(self) -> None:
        found = delong(*scores(0, good=1))
        assert np.isfinite(found.values).all() and delong_p(found, 0, 1) is None
        with pytest.raises(ValueError, match="good and defective"):
            delong(*scores(0, good=0))


class TestBootstrap:
    def test_each_resample_is_an_auroc(self) -> None:
        good, defective = scores(1, methods=2, seeds=2)
        found = bootstrap_aurocs(good, defective, rounds=20, seed=3)
        rng = np.random.default_rng(3)
        of_good, of_defective = resample(rng, 20, 25), resample(rng, 20, 40)
        for method, turn in product(range(2), range(20)):
            areas = []
            for one in range(2):
                g = np.repeat(good[method, one], of_good[turn])
                d = np.repeat(defective[method, one], of_defective[turn])
                areas.append(auroc(np.concatenate([g, d]), np.repeat([0, 1], [len(g), len(d)])))
            assert found[method, turn] == pytest.approx(np.mean(areas))

    def test_large_sets_are_taken_in_blocks(self) -> None:
        good, defective = scores(2, methods=1, good=100_000, defective=100_000)  # two resamples at a time
        areas = bootstrap_aurocs(good, defective, rounds=5)[0]
        assert np.ptp(areas) < 0.01
        assert areas.mean() == pytest.approx(delong(good, defective).values[0], abs=0.01)

    def test_clusters_are_drawn_whole(self) -> None:
        rng = np.random.default_rng(4)
        clean, changed = rng.normal(0, 1, (2, 2, 7)), rng.normal(1, 1, (2, 2, 7, 3)).round(1)
        found = bootstrap_clustered(clean, changed, rounds=10, seed=5)
        times = resample(np.random.default_rng(5), 10, 7)
        for method, turn in product(range(2), range(10)):
            drawn = np.repeat(np.arange(7), times[turn])
            areas = []
            for one in range(2):
                both = np.concatenate([clean[method, one, drawn], changed[method, one, drawn].ravel()])
                areas.append(auroc(both, np.repeat([0, 1], [7, 21])))
            assert found[method, turn] == pytest.approx(np.mean(areas))

    def test_agrees_with_delong(self) -> None:
        good, defective = scores(6, methods=2, good=200, defective=200)
        covariance = delong(good, defective).covariance
        areas = bootstrap_aurocs(good, defective)
        wanted = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        assert np.var(areas[0] - areas[1]) == pytest.approx(wanted, rel=0.15)

    def test_p_value(self) -> None:
        assert bootstrap_p(np.linspace(-1, 1, 2001)) == 1.0
        assert bootstrap_p(np.full(1999, 0.3)) == 1 / 2000
        differences = np.concatenate([np.full(1949, 1.0), np.full(50, -1.0)])
        assert bootstrap_p(differences) == bootstrap_p(-differences) == pytest.approx(101 / 2000)

    def test_resampling_draws_as_many_as_there_are(self) -> None:
        times = resample(np.random.default_rng(0), 500, 9)
        assert (times.sum(axis=1) == 9).all()
        np.testing.assert_allclose(times.mean(axis=0), 1, atol=0.2)


def test_holm_against_the_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, None, 0.9]) == [1.0, None, 1.0]
    assert holm([]) == []
    p_values = np.random.default_rng(0).uniform(0, 0.2, 5)
    steps = np.sort(p_values) * [5, 4, 3, 2, 1]
    assert np.sort(holm(p_values.tolist())) == pytest.approx(np.minimum(1, np.maximum.accumulate(steps)))


@pytest.mark.parametrize(("calibrated_on", "rate"), [(9, 0.1), (64, 0.05), (99, 0.29), (3, 0.25)])
def test_false_alarms_are_beta_binomial(calibrated_on: int, rate: float) -> None:
    rank = round(rate * (calibrated_on + 1) - 0.4999)
    for flagged in (0, 1, 4, 15):
        expected = stats.betabinom.sf(flagged - 1, 15, rank, calibrated_on + 1 - rank)
        assert false_alarm_p(flagged, 15, calibrated_on, rate) == pytest.approx(expected)


def test_false_alarms_of_calibrations_are_as_likely_as_said() -> None:
    scores = np.random.default_rng(0).normal(0, 1, (4000, 24))
    alarms = np.array([np.sum(Calibration(row[:9], 0.1).is_anomalous(row[9:])) for row in scores])
    for flagged in (1, 3, 5):
        assert np.mean(alarms >= flagged) == pytest.approx(false_alarm_p(flagged, 15, 9, 0.1), abs=0.03)


def test_rank_correlation() -> None:
    values = np.random.default_rng(0).normal(0, 1, (3, 30)).round(1)
    expected = [stats.spearmanr(values[one], values[one + 1]).statistic for one in range(2)]
    assert rank_correlation(values) == pytest.approx(np.mean(expected))
    assert rank_correlation(values[:1]) is None
    assert rank_correlation(np.ones((2, 5))) is None
    assert rank_correlation(values[:, :2]) is None
