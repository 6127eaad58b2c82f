"""Attribute agreement: within one who judges, between several, and with the reference."""

import pytest

from blemish.acceptance.agreement import agreement
from blemish.evaluation.statistics import exact_interval

REFERENCE = {"a": True, "b": True, "c": False, "d": False}
INSPECTED = {"a": [True], "b": [True], "c": [False], "d": [False]}
ANN = {"a": [True, True], "b": [True, False], "c": [False, False], "d": [True, True]}
BO = {"a": [True], "b": [False], "c": [False]}


def test_each_one_agrees_with_itself_and_with_the_reference() -> None:
    inspection, ann, bo = agreement(REFERENCE, INSPECTED, {"Ann": ANN, "Bo": BO})["appraisers"]
    assert (inspection["name"], ann["name"], bo["name"]) == ("the inspection", "Ann", "Bo")
    assert inspection["with_reference"]["kappa"] == 1 and inspection["with_itself"] is None
    assert (ann["parts"], ann["decisions"]) == (4, 8)
    assert ann["misses"] == {"count": 1, "of": 4, "share": 0.25}
    assert ann["false_alarms"] == {"count": 2, "of": 4, "share": 0.5}
    assert (ann["with_itself"]["count"], ann["with_itself"]["of"]) == (3, 4)
    assert ann["with_itself"]["interval"] == exact_interval(3, 4)
    assert ann["with_reference"]["count"] == 2  # b once wrong, d always
    assert ann["with_reference"]["kappa"] == pytest.approx((5 / 8 - 0.5) / 0.5)
    assert (bo["with_reference"]["count"], bo["with_reference"]["of"]) == (2, 3)


def test_people_and_pairs_are_compared_on_the_parts_that_all_of_them_judged() -> None:
    measured = agreement(REFERENCE, INSPECTED, {"Ann": ANN, "Bo": BO})
    assert (measured["people"]["count"], measured["people"]["of"]) == (2, 3)  # b is in dispute
    pairs = {(row["first"], row["second"]): row for row in measured["pairs"]}
    assert pairs["Ann", "Bo"]["parts"] == 3 and len(pairs) == 3
    assert pairs["the inspection", "Bo"]["kappa"] == pytest.approx((2 / 3 - 4 / 9) / (5 / 9))


def test_people_with_no_part_in_common_have_no_agreement() -> None:
    measured = agreement(REFERENCE, INSPECTED, {"Ann": {"a": [True]}, "Bo": {"c": [False]}})
    assert measured["people"] is None
    assert measured["pairs"][-1] == {
        **{"first": "Ann", "second": "Bo", "parts": 0},
        **{"kappa": None, "kappa_interval": None},
    }
    assert agreement(REFERENCE, INSPECTED, {"Ann": ANN})["people"] is None
