"""The false-alarm rate: what another one would do, and what confirmed images may and may not teach."""

from collections.abc import Callable

import numpy as np
import pytest

from blemish.errors import ConfigError
from blemish.station.errors import Conflict, NotFound
from blemish.station.learning import threshold
from blemish.station.recipe import Recipe
from blemish.station.records import Verdict
from tests.station.learning.support import inspect, judge

GOOD, DEFECT = Verdict.GOOD, Verdict.DEFECT


def test_preview_by_hand(recipe: Recipe) -> None:
    empty = threshold.preview(recipe, 0.1)
    assert (empty.inspections, empty.alarms_then, empty.changed) == (0, 0, [])
    inspect(recipe, 200.0, model="b" * 64)  # of another model
    inspect(recipe, None)
    inspect(recipe, 200.0)  # older than the last eight
    low = inspect(recipe, 10, 89, 91)
    (lesser,) = inspect(recipe, 93, said=GOOD)
    inspect(recipe, 50, said=DEFECT)
    (found,) = inspect(recipe, 94.5, said=DEFECT)
    (least,) = inspect(recipe, 96, said=GOOD)
    inspect(recipe, 150)
    assert threshold.preview(recipe, 0.1, last=8).model_dump() == {
        "false_alarm_rate": 0.1,
        "effective_rate": 0.1,
        "threshold": 90,
        "note": "",
        "inspections": 8,
        "alarms_now": 2,
        "alarms_then": 5,
        "newly_alarmed": 3,
        "no_longer": 0,
        "confirmed_good": 2,
        "false_alarms_then": 2,
        "confirmed_defect": 2,
        "missed_then": 1,
        "changed": [low[2], lesser, found],
    }
    stricter = threshold.preview(recipe, 0.001, last=8)
    assert (stricter.effective_rate, stricter.threshold, stricter.changed) == (0.01, 99, [least])
    assert (stricter.newly_alarmed, stricter.no_longer, stricter.missed_then) == (0, 1, 2)
    assert "99 calibration images cannot support" in stricter.note
    numbers = inspect(recipe, *np.linspace(94.9, 90.1, 40))
    many = threshold.preview(recipe, 0.1, last=40)
    assert many.newly_alarmed == 40 and many.changed == numbers[::-1][:12]


def test_a_new_rate_is_a_new_record_and_the_past_stays(recipe: Recipe) -> None:
    (number,) = inspect(recipe, 93)
    before, model = recipe.store.get(number), recipe.models.active.fingerprint
    record = threshold.set_rate(recipe, 0.1)
    assert recipe.models.active.calibrated == record == recipe.store.calibration(recipe.name, model)
    assert record.origin == "the model file; rate set to 10 %"
    assert record.scores == list(range(1, 100))
    assert recipe.store.get(number) == before and before.is_anomalous is False
    assert threshold.set_rate(recipe, 0.025).origin == "the model file; rate set to 2.5 %"
    assert threshold.set_rate(recipe, 0.025) == recipe.models.active.calibrated
    for refused in (threshold.set_rate, threshold.preview):
        with pytest.raises(ConfigError, match="between 0 and 1"):
            refused(recipe, 1.0)
    records = recipe.store.calibrations(recipe.name, model)
    assert [record.false_alarm_rate for record in records] == [0.025, 0.1, 0.05]


def test_confirmed_good_images_join_or_replace_the_scores(recipe: Recipe) -> None:
    with pytest.raises(Conflict, match=r"inspected with grey\.onnx was confirmed as good"):
        threshold.recalibrate(recipe, keep=True)
    inspect(recipe, 20.5, 120.5, said=GOOD)
    inspect(recipe, 130, said=DEFECT)
    inspect(recipe, 40)
    inspect(recipe, None, said=GOOD)
    inspect(recipe, 140, said=GOOD, model="b" * 64)
    joined = threshold.recalibrate(recipe, keep=True)
    assert sorted(joined.scores) == sorted([*range(1, 100), 20.5, 120.5])
    assert joined.origin == "the model file and 2 confirmed good images"
    assert joined.false_alarm_rate == 0.05 and recipe.models.active.calibrated == joined
    alone = threshold.recalibrate(recipe, keep=False)
    assert (sorted(alone.scores), alone.origin) == ([20.5, 120.5], "2 confirmed good images")
    inspect(recipe, 30.5, said=GOOD)
    again = threshold.recalibrate(recipe, keep=True)  # the model's own are no longer in force
    assert sorted(again.scores) == [20.5, 30.5, 120.5]


def test_nothing_counts_twice_and_what_is_taken_back_is_forgotten(recipe: Recipe) -> None:
    numbers = inspect(recipe, 20.5, 120.5, said=GOOD)
    threshold.recalibrate(recipe, keep=True)
    threshold.set_rate(recipe, 0.1)
    assert len(threshold.recalibrate(recipe, keep=True).scores) == 101
    inspect(recipe, 33.5, 33.5, said=GOOD, image=b"the same file")
    assert len(threshold.recalibrate(recipe, keep=True).scores) == 102
    inspect(recipe, 33.5, said=DEFECT, image=b"the same file")
    judge(recipe, numbers[1], DEFECT)
    record = threshold.recalibrate(recipe, keep=True)
    assert sorted(record.scores) == sorted([*range(1, 100), 20.5])
    assert (record.origin, record.false_alarm_rate) == ("the model file and 1 confirmed good image", 0.1)


def test_a_change_meanwhile_is_a_conflict(recipe: Recipe) -> None:
    inspect(recipe, 10, said=GOOD)
    first = recipe.models.active.calibrated.id
    second = threshold.set_rate(recipe, 0.2, expected=first)
    with pytest.raises(Conflict, match="changed meanwhile; look at what holds now"):
        threshold.set_rate(recipe, 0.3, expected=first)
    with pytest.raises(Conflict, match="changed meanwhile; look at what holds now"):
        threshold.recalibrate(recipe, keep=True, expected=first)
    assert recipe.store.calibration(recipe.name, second.model) == second == recipe.models.active.calibrated


def test_the_way_back_to_an_earlier_calibration(recipe: Recipe) -> None:
    own = recipe.models.active.calibrated
    inspect(recipe, 10, said=GOOD)
    threshold.recalibrate(recipe, keep=False)
    again = threshold.use_again(recipe, own.id)
    assert (again.scores, again.false_alarm_rate) == (own.scores, own.false_alarm_rate)
    assert again.origin == f"the model file; as No. {own.id}" and recipe.models.active.calibrated == again
    assert threshold.use_again(recipe, again.id) == again  # nothing new
    assert len(threshold.recalibrate(recipe, keep=True).scores) == 100
    with pytest.raises(NotFound, match="has no calibration 99"):
        threshold.use_again(recipe, 99)


def test_evidence_counts_and_warns_of_who_judged_alarms(recipe: Recipe) -> None:
    assert set(threshold.evidence(recipe).model_dump().values()) == {0, ""}
    inspect(recipe, *range(1, 91))
    inspect(recipe, 98, 99.5, 100, 101, 20, said=GOOD)
    inspect(recipe, 200, 10, said=DEFECT)
    inspect(recipe, 300, said=GOOD, model="b" * 64)
    assert threshold.evidence(recipe).model_dump() == {
        "confirmed_good": 5,
        "confirmed_defect": 2,
        "warning": "4 of 5 images confirmed as good are alarms, but of all inspections only 4.2 %: they were "
        "picked by verdict, and a threshold from them would be too high, so that defects pass. Judge a "
        "random sample first.",
    }


def test_who_judges_at_random_is_not_warned(calibrated: Callable[..., Recipe]) -> None:
    rng = np.random.default_rng(0)
    recipe = calibrated(rng.gamma(3, size=199), 0.05)
    for number in rng.choice(inspect(recipe, *rng.gamma(3, size=300)), 40, replace=False):
        judge(recipe, int(number), GOOD)
    assert threshold.evidence(recipe).warning == ""
