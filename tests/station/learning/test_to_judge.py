"""Which pictures are offered to be judged: a few of each kind, and none twice."""

from collections.abc import Callable

import pytest

from blemish.inference.rules import LOOK_AGAIN
from blemish.station.learning import to_judge as module
from blemish.station.learning.to_judge import CHANCE, NEAR, NEW, OTHER, to_judge
from blemish.station.recipe import Recipe
from blemish.station.records import Verdict
from tests.station.learning.support import inspect


def test_six_of_each_kind_none_twice_and_none_that_is_judged(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert to_judge(recipe) == {CHANCE: [], OTHER: [], NEAR: [], NEW: []}
    usual = inspect(recipe, *range(10, 80))
    near = inspect(recipe, 95.1, 94.5, 96, 97.5, 98, 94)  # of the threshold, 95
    (again,) = inspect(recipe, 50, verdict=LOOK_AGAIN)
    new = inspect(recipe, 120, -40, 150, 0.5)  # the calibration has 1 to 99
    others = inspect(recipe, *[5.0] * 8, is_other_part=True)
    inspect(recipe, 95, 300, said=Verdict.GOOD)
    inspect(recipe, 95, 300, model="b" * 64)
    inspect(recipe, None)
    monkeypatch.setattr(module.random, "sample", lambda numbers, count: [*usual[:5], others[7]][:count])
    assert to_judge(recipe) == {
        CHANCE: [*usual[:5], others[7]],
        OTHER: others[6:0:-1],
        NEAR: [again, *(near[place] for place in (0, 1, 2, 5, 3))],
        NEW: [new[place] for place in (2, 1, 0, 3)],
    }


def test_chance_is_uniform_over_the_latest(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LATEST", 20)
    inspect(recipe, *[5.0] * 10)  # too long ago
    numbers = inspect(recipe, *range(20))
    drawn = [to_judge(recipe)[CHANCE] for _ in range(30)]
    assert all(len(set(some)) == 6 for some in drawn) and drawn[0] != drawn[1]
    assert {number for some in drawn for number in some} == set(numbers)


def test_few_pictures_are_offered_once(calibrated: Callable[..., Recipe]) -> None:
    recipe = calibrated(range(1, 100), 0.05)
    numbers = inspect(recipe, 95, 300, 4)
    chosen = to_judge(recipe)
    assert sorted(chosen[CHANCE]) == numbers and not (chosen[NEAR] or chosen[NEW])
