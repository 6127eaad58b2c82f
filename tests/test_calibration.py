"""Conformal calibration against its formula, and its promise against simulation."""

import dataclasses
import json
import math
from fractions import Fraction

import numpy as np
import pytest

from blemish.calibration import Calibration
from blemish.errors import ConfigError, ImageError


def test_p_values_by_hand():
    calibration = Calibration([3.0, 1.0, 2.0, 2.0], 0.2)
    # (1 + number of calibration scores at least as high) / 5
    known = {3.5: 1 / 5, 3.0: 2 / 5, 2.5: 2 / 5, 2.0: 4 / 5, 1.5: 4 / 5, 1.0: 1, -9: 1}
    assert {score: calibration.p_value(score) for score in known} == known


def test_scalars_give_plain_types_and_arrays_keep_their_shape():
    calibration = Calibration(np.array([1, 2, 3], np.float64), 0.3)
    assert type(calibration.p_value(2.0)) is float
    assert type(calibration.p_value(np.float32(2))) is float
    assert type(calibration.is_anomalous(2.0)) is bool
    scores = np.array([[0.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(calibration.p_value(scores), [[1, 0.75], [0.5, 0.25]])
    np.testing.assert_array_equal(calibration.is_anomalous(scores), [[False, False], [False, True]])
    assert calibration.p_value(np.array([])).shape == (0,)


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05, 0.1, 0.29, 0.3, 0.5, 0.7, 0.99, 0.999999])
@pytest.mark.parametrize("count", [1, 2, 3, 9, 19, 20, 99, 100])
def test_verdict_p_value_and_threshold_agree(count, rate):
    rng = np.random.default_rng(count)
    known = (rng.integers(0, 40, count) / 8).astype(np.float32)
    calibration = Calibration(known, rate)
    for score in np.arange(-1, 43) / 8:
        p = Fraction(1 + int(np.sum(known >= score)), count + 1)
        asked = max(Fraction(str(rate)), Fraction(1, count + 1))
        assert calibration.p_value(score) == float(p)
        assert calibration.is_anomalous(score) == (p <= asked)
        assert calibration.is_anomalous(score) == (score > calibration.threshold)


def test_a_rate_that_divides_exactly_is_not_lost_to_rounding():
    assert 0.29 * 100 < 29
    calibration = Calibration(np.arange(99), 0.29)  # 29 of 100 ranks
    assert calibration.threshold == 70
    assert calibration.is_anomalous(71)
    assert not calibration.is_anomalous(70)


@pytest.mark.parametrize(("count", "rate"), [(19, 0.05), (50, 0.05), (20, 0.1), (7, 0.02), (99, 0.01)])
def test_false_alarm_rate_is_at_most_what_was_asked(count, rate):
    """One fresh good score against its calibration set, many times: exact for continuous scores."""
    rng, trials = np.random.default_rng(0), 20_000
    expected = math.floor(max(rate, 1 / (count + 1)) * (count + 1) + 1e-9) / (count + 1)
    draws = rng.gamma(2, size=(trials, count + 1)).astype(np.float32)
    alarms = sum(Calibration(row[1:], rate).is_anomalous(row[0]) for row in draws)
    four_deviations = 4 * math.sqrt(expected * (1 - expected) / trials)
    assert expected <= Calibration(draws[0, 1:], rate).effective_rate + 1e-12
    assert abs(alarms / trials - expected) < four_deviations


def test_ties_only_lower_the_false_alarm_rate():
    rng = np.random.default_rng(1)
    draws = rng.integers(0, 5, (5000, 40)).astype(np.float32)
    alarms = np.mean([Calibration(row[1:], 0.1).is_anomalous(row[0]) for row in draws])
    assert alarms < 0.1 + 4 * math.sqrt(0.1 * 0.9 / 5000)
    constant = Calibration(np.ones(99), 0.05)
    assert not constant.is_anomalous(1.0)
    assert constant.is_anomalous(1.0001)


def test_too_few_images_are_said_so():
    calibration = Calibration(np.arange(40), 0.01)
    assert calibration.effective_rate == 1 / 41
    assert calibration.note == (
        "40 calibration images cannot support a false-alarm rate of 1 %; 2.4 % is used. 99 would be enough."
    )
    assert calibration.is_anomalous(40)  # above all of them
    assert not calibration.is_anomalous(39)
    assert calibration.threshold == 39
    assert Calibration([1.0], 0.25).note.startswith(
        "1 calibration image cannot support a false-alarm rate of 25 %; 50 %"
    )


@pytest.mark.parametrize("rate", [0.49, 0.3, 0.1, 0.07, 0.05, 0.01, 0.001, 1 / 3, 1 / 49, 1 / 7])
def test_the_note_names_the_smallest_number_that_is_enough(rate):
    enough = int(Calibration([0.0], rate).note.split(" % is used. ")[1].split()[0])
    assert Calibration(np.zeros(enough), rate).note == ""
    assert Calibration(np.zeros(enough), rate).effective_rate == rate
    assert Calibration(np.zeros(enough - 1), rate).note != ""


def test_with_rate_keeps_the_scores():
    calibration = Calibration(np.arange(200), 0.01)
    other = calibration.with_rate(0.1)
    assert other.false_alarm_rate == 0.1
    assert calibration.false_alarm_rate == 0.01
    np.testing.assert_array_equal(other.scores, calibration.scores)
    assert other.threshold < calibration.threshold


def test_round_trip_through_json_is_lossless():
    scores = np.random.default_rng(0).gamma(2, size=300).astype(np.float32)
    calibration = Calibration(scores, 1 / 3)
    again = Calibration.from_dict(json.loads(json.dumps(calibration.to_dict())))
    assert again.scores.dtype == np.float32
    assert again.scores.tobytes() == np.sort(scores).tobytes()
    assert again.false_alarm_rate == 1 / 3
    assert again.to_dict() == calibration.to_dict()


def test_scores_are_sorted_copied_and_cannot_be_changed():
    scores = np.array([3, 1, 2], np.float32)
    calibration = Calibration(scores, 0.3)
    np.testing.assert_array_equal(scores, [3, 1, 2])
    scores[:] = 9
    np.testing.assert_array_equal(calibration.scores, [1, 2, 3])
    with pytest.raises(ValueError, match="read-only"):
        calibration.scores[0] = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        calibration.false_alarm_rate = 0.5


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, math.nan, math.inf, None, "often"])
def test_rates_out_of_range_are_refused(rate):
    with pytest.raises(ConfigError, match="rate"):
        Calibration([1.0, 2.0], rate)
    with pytest.raises(ConfigError, match="rate"):
        Calibration([1.0, 2.0], 0.1).with_rate(rate)


@pytest.mark.parametrize("scores", [[], [1.0, math.nan], [math.inf], None, ["high"], [[1.0], [2.0, 3.0]]])
def test_scores_that_cannot_calibrate_are_refused(scores):
    with pytest.raises(ConfigError, match="calibration"):
        Calibration(scores, 0.1)


def test_missing_fields_are_named():
    with pytest.raises(ConfigError, match="lacks scores"):
        Calibration.from_dict({"false_alarm_rate": 0.1})
    with pytest.raises(ConfigError, match="lacks false_alarm_rate and scores"):
        Calibration.from_dict({})


def test_a_nan_score_never_passes_as_normal_and_what_is_no_number_has_no_verdict():
    calibration = Calibration(np.arange(30), 0.1)
    for score in (math.nan, np.array([1.0, math.nan])):
        with pytest.raises(ValueError, match="NaN"):
            calibration.p_value(score)
        with pytest.raises(ValueError, match="NaN"):
            calibration.is_anomalous(score)
    assert calibration.is_anomalous(math.inf)
    for score in (math.nan, math.inf, -math.inf):
        with pytest.raises(ImageError, match=f"the model gave {score:g}"):
            calibration.judge(score)


@pytest.mark.parametrize("score", [0.5, 26.4, 27.0, 1e6])
def test_a_verdict_is_the_p_value_and_what_follows_from_it(score):
    calibration = Calibration(np.arange(30), 0.1)
    assert calibration.judge(score) == (calibration.p_value(score), calibration.is_anomalous(score))
