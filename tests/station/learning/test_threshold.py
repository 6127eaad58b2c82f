"""The false-alarm rate: what another one would do, and what confirmed images may and may not teach."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from blemish.errors import ConfigError
from blemish.station.errors import Conflict, NotFound
from blemish.station.learning import threshold
from blemish.station.records import Verdict
from tests.station.learning.support import MODEL, ScoredStation

GOOD, DEFECT = Verdict.GOOD, Verdict.DEFECT


def test_preview_by_hand(station: ScoredStation) -> None:
    station.inspect(200.0, model="b" * 64)  # of another model
    station.inspect(None)
    station.inspect(200.0)  # older than the last eight
    low = station.inspect(10, 89, 91)
    (lesser,) = station.inspect(93, said=GOOD)
    (missed,) = station.inspect(50, said=DEFECT)
    (found,) = station.inspect(94.5, said=DEFECT)
    station.inspect(96, said=GOOD)
    (high,) = station.inspect(150)
    preview = threshold.preview(station, 0.1, last=8)
    assert preview.model_dump() == {
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
    stricter = threshold.preview(station, 0.001, last=8)
    assert (stricter.effective_rate, stricter.threshold) == (0.01, 99)
    assert (stricter.newly_alarmed, stricter.no_longer, stricter.missed_then) == (0, 1, 2)
    assert "99 calibration images cannot support" in stricter.note
    assert missed not in stricter.changed and high not in stricter.changed


def test_preview_says_at_most_twelve_nearest_first(station: ScoredStation) -> None:
    numbers = station.inspect(*np.linspace(94.9, 90.1, 40))
    preview = threshold.preview(station, 0.1)
    assert preview.newly_alarmed == 40
    assert preview.changed == numbers[::-1][:12]


def test_preview_of_nothing_and_of_no_rate(station: ScoredStation) -> None:
    preview = threshold.preview(station, 0.1)
    assert (preview.inspections, preview.alarms_then, preview.changed) == (0, 0, [])
    with pytest.raises(ConfigError, match="between 0 and 1"):
        threshold.preview(station, 1.0)


def test_a_new_rate_is_a_new_record_and_the_past_stays(station: ScoredStation) -> None:
    (number,) = station.inspect(93)
    before = station.store.get(number)
    record = threshold.set_rate(station, 0.1)
    assert station.models.active.calibrated == record == station.store.calibration(MODEL)
    assert record.origin == "the model file; rate set to 10 %"
    assert record.scores == list(range(1, 100))
    assert station.store.get(number) == before and before.is_anomalous is False
    assert threshold.set_rate(station, 0.025).origin == "the model file; rate set to 2.5 %"
    assert threshold.set_rate(station, 0.025) == station.models.active.calibrated
    assert [old.false_alarm_rate for old in station.store.calibrations(MODEL)] == [0.025, 0.1, 0.05]
    with pytest.raises(ConfigError, match="between 0 and 1"):
        threshold.set_rate(station, 0)
    assert len(station.store.calibrations(MODEL)) == 3


def test_confirmed_good_images_join_or_replace_the_scores(station: ScoredStation) -> None:
    with pytest.raises(Conflict, match=r"inspected with grey\.onnx was confirmed as good"):
        threshold.recalibrate(station, keep=True)
    station.inspect(20.5, 120.5, said=GOOD)
    station.inspect(130, said=DEFECT)
    station.inspect(40)
    station.inspect(None, said=GOOD)
    station.inspect(140, said=GOOD, model="b" * 64)
    joined = threshold.recalibrate(station, keep=True)
    assert sorted(joined.scores) == sorted([*range(1, 100), 20.5, 120.5])
    assert joined.origin == "the model file and 2 confirmed good images"
    assert joined.false_alarm_rate == 0.05
    assert station.models.active.calibrated == joined
    alone = threshold.recalibrate(station, keep=False)
    assert sorted(alone.scores) == [20.5, 120.5]
    assert alone.origin == "2 confirmed good images"
    station.inspect(30.5, said=GOOD)
    again = threshold.recalibrate(station, keep=True)  # the model's own are no longer in force
    assert sorted(again.scores) == [20.5, 30.5, 120.5]


def test_nothing_counts_twice_and_what_is_taken_back_is_forgotten(station: ScoredStation) -> None:
    numbers = station.inspect(20.5, 120.5, said=GOOD)
    threshold.recalibrate(station, keep=True)
    threshold.set_rate(station, 0.1)
    assert len(threshold.recalibrate(station, keep=True).scores) == 101
    station.inspect(33.5, said=GOOD, image=b"the same file")
    station.inspect(33.5, said=GOOD, image=b"the same file")
    assert len(threshold.recalibrate(station, keep=True).scores) == 102
    station.inspect(33.5, said=DEFECT, image=b"the same file")
    station.judge(numbers[1], DEFECT)
    record = threshold.recalibrate(station, keep=True)
    assert sorted(record.scores) == sorted([*range(1, 100), 20.5])
    assert (record.origin, record.false_alarm_rate) == ("the model file and 1 confirmed good image", 0.1)


def test_a_change_meanwhile_is_a_conflict(station: ScoredStation) -> None:
    station.inspect(10, said=GOOD)
    first = station.models.active.calibrated.id
    second = threshold.set_rate(station, 0.2, expected=first).id
    for change in (
        lambda: threshold.set_rate(station, 0.3, expected=first),
        lambda: threshold.recalibrate(station, keep=True, expected=first),
    ):
        with pytest.raises(Conflict, match="changed meanwhile; look at what holds now"):
            change()
    assert station.store.calibration(MODEL).id == second == station.models.active.calibrated.id


def test_the_way_back_to_an_earlier_calibration(station: ScoredStation) -> None:
    own = station.models.active.calibrated
    station.inspect(10, said=GOOD)
    alone = threshold.recalibrate(station, keep=False)
    assert len(alone.scores) == 1
    again = threshold.use_again(station, own.id)
    assert (again.scores, again.false_alarm_rate) == (own.scores, own.false_alarm_rate)
    assert again.origin == f"the model file; as No. {own.id}" and station.models.active.calibrated == again
    assert threshold.use_again(station, again.id) == again  # nothing new
    assert len(threshold.recalibrate(station, keep=True).scores) == 100
    with pytest.raises(NotFound, match="has no calibration 99"):
        threshold.use_again(station, 99)


def test_evidence_counts(station: ScoredStation) -> None:
    none = threshold.evidence(station)
    assert none.model_dump() == {
        "confirmed_good": 0,
        "confirmed_defect": 0,
        "alarms_among_good": 0,
        "alarms_among_all": 0,
        "warning": "",
    }
    station.inspect(*range(1, 91))
    station.inspect(98, 99.5, 100, 101, 20, said=GOOD)
    station.inspect(200, 10, said=DEFECT)
    station.inspect(300, said=GOOD, model="b" * 64)
    found = threshold.evidence(station)
    assert (found.confirmed_good, found.confirmed_defect) == (5, 2)
    assert (found.alarms_among_good, found.alarms_among_all) == (0.8, 4 / 95)
    assert found.warning == (
        "4 of 5 images confirmed as good are alarms, but of all inspections only 4.2 %: they were picked by "
        "verdict, and a threshold from them would be too high, so that defects pass. Judge a random sample "
        "first."
    )


def test_who_judges_alarms_only_is_warned_and_a_random_judge_hardly_ever(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    warned = {"random": 0, "alarms": 0}
    for trial in range(3):
        for way in warned:
            station = ScoredStation(tmp_path / f"{way}{trial}", rng.gamma(3, size=199), 0.05)
            numbers = np.array(station.inspect(*rng.gamma(3, size=300)))
            points = {point.id: point for point in station.store.points(threshold.Filter(), 1000)}
            alarms = [number for number in numbers if points[number].is_anomalous]
            judged = alarms[:5] if way == "alarms" else rng.choice(numbers, 40, replace=False)
            for number in judged:
                station.judge(int(number), GOOD)
            warned[way] += bool(threshold.evidence(station).warning)
            station.close()
    assert warned == {"random": 0, "alarms": 3}


def test_the_chance_is_the_hypergeometric_one() -> None:
    stats = pytest.importorskip("scipy.stats")
    for total, marked, drawn in itertools.product((1, 10, 500), (0, 1, 7, 100), (0, 1, 6, 90)):
        if marked <= total and drawn <= total:
            for found in (0, 1, 2, 5):
                expected = stats.hypergeom.sf(found - 1, total, marked, drawn)
                ours = threshold.chance_of_as_many(found, drawn, marked, total)
                assert ours == pytest.approx(expected, abs=1e-9)
    assert threshold.chance_of_as_many(0, 0, 0, 0) == 1


def test_a_sample_is_a_choice_of_the_latest_unjudged(station: ScoredStation) -> None:
    station.inspect(*[5.0] * 30)  # too long ago
    numbers = station.inspect(*range(1, 1011))
    for number in numbers[:10]:
        station.judge(number, GOOD)
    station.inspect(7, model="b" * 64)
    station.inspect(None)
    drawn = [threshold.sample(station, 100) for _ in range(3)]
    assert all(len(set(some)) == 100 for some in drawn) and drawn[0] != drawn[1]
    assert set().union(*drawn) <= set(numbers[10:])
    assert sorted(threshold.sample(station, 5000)) == numbers[10:]
