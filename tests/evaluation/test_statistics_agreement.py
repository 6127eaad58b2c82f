"""Exact intervals against scipy; kappas against published values, scikit-learn and sums by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from blemish.evaluation.statistics import cohen_kappa, exact_interval, fleiss_kappa


@pytest.mark.parametrize(
    ("count", "total"), [(0, 1), (1, 1), (0, 20), (63, 63), (3, 40), (999, 1000), (70, 5000)]
)
def test_an_exact_interval_is_clopper_and_pearsons(count: int, total: int) -> None:
    expected = stats.binomtest(count, total).proportion_ci(0.95, method="exact")
    assert exact_interval(count, total) == pytest.approx([expected.low, expected.high], abs=1e-9)


# "Measurement Systems Analysis" of the AIAG: three appraisers and the reference, 150 decisions each: both say
# 0; 0 and 1; 1 and 0; both 1
PUBLISHED = {
    "A, B": ((44, 6, 3, 97), 0.863),
    "B, C": ((42, 5, 9, 94), 0.788),
    "A, C": ((43, 7, 8, 92), 0.776),
    "A, reference": ((45, 5, 3, 97), 0.879),
    "B, reference": ((45, 2, 3, 100), 0.923),
    "C, reference": ((42, 9, 6, 93), 0.774),
}


def decided(counts: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    cells = np.repeat([(0, 0), (0, 1), (1, 0), (1, 1)], counts, axis=0).astype(np.float64)
    return cells[:, 0], cells[:, 1]


@pytest.mark.parametrize("pair", PUBLISHED)
def test_cohens_kappa_is_the_published_one_and_lies_within_its_interval(pair: str) -> None:
    counts, published = PUBLISHED[pair]
    first, second = decided(counts)
    kappa = cohen_kappa(first, second)
    assert kappa.value == pytest.approx(published, abs=5e-4)
    assert kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert kappa.interval[0] < kappa.value < kappa.interval[1]


def test_trials_of_a_part_count_as_one_part() -> None:
    once = cohen_kappa(np.array([1.0, 1, 0, 0, 0]), np.array([1.0, 0, 0, 0, 1]))
    assert once.value == pytest.approx((0.6 - 0.52) / 0.48)
    split = cohen_kappa(
        np.array([1.0, 0.5, 0, 0]), np.array([1.0, 1, 0, 0])
    )  # agrees in 7 of 8 pairs of trials
    chance = 0.375 * 0.5 + 0.625 * 0.5
    assert split.value == pytest.approx((7 / 8 - chance) / (1 - chance))


def test_fleiss_kappa_of_two_is_scotts_pi_and_of_more_counts_pairs() -> None:
    first, second = decided((44, 6, 3, 97))
    share = (first.mean() + second.mean()) / 2
    chance = share**2 + (1 - share) ** 2
    two = fleiss_kappa((first + second).astype(int), np.full(150, 2))
    assert two.value == pytest.approx((141 / 150 - chance) / (1 - chance))
    # of three decisions each, 1 of 3 pairs agrees on the middle part
    three = fleiss_kappa(np.array([3, 1, 0, 0]), np.full(4, 3))
    chance = (1 / 3) ** 2 + (2 / 3) ** 2
    assert three.value == pytest.approx(((1 + 1 / 3 + 1 + 1) / 4 - chance) / (1 - chance))


def test_perfect_agreement_is_no_surer_than_its_parts_are_many() -> None:
    lows = []
    for parts in (10, 100):
        half = (np.arange(parts) % 2).astype(np.float64)
        kappa = cohen_kappa(half, half)
        assert kappa.value == kappa.interval[1] == 1
        lows.append(kappa.interval[0])
    assert lows == pytest.approx([2 * 0.025**0.1 - 1, 2 * 0.025**0.01 - 1])


def test_few_defects_among_few_parts_keep_kappa_within_its_range() -> None:
    kappa = cohen_kappa(np.eye(10)[0], np.zeros(10))
    assert kappa.value == 0 and kappa.interval is not None and kappa.interval[0] == -1 < kappa.interval[1] < 1


def test_where_all_decisions_are_alike_there_is_no_kappa() -> None:
    assert (
        cohen_kappa(np.ones(7), np.ones(7)) == fleiss_kappa(np.zeros(3, int), np.full(3, 3)) == (None, None)
    )
