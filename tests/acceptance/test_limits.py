"""Limits: which end of which interval they are judged on, and what can never be proved."""

from pathlib import Path

import pytest

from blemish.acceptance.limits import Limits, judge
from blemish.errors import ConfigError
from tests.acceptance.support import HIGH, LOW, measured, plain


def kept(acceptance, **limits: float) -> bool:
    (row,) = judge(acceptance, Limits(**limits))
    return row["kept"]


def test_found_false_alarms_and_kappa_are_judged_on_the_unfavourable_end(tmp_path: Path) -> None:
    acceptance, *_ = measured(tmp_path / "golden", plain(40, 40, alarms=1))
    low, high = acceptance.found["interval"][0], acceptance.false_alarms["interval"][1]
    assert kept(acceptance, min_found=low - 1e-9) and not kept(acceptance, min_found=low + 1e-9)
    assert kept(acceptance, max_false_alarms=high + 1e-9) and not kept(
        acceptance, max_false_alarms=high - 1e-9
    )
    kappa = acceptance.agreement["appraisers"][0]["with_reference"]["kappa_interval"][0]
    assert kept(acceptance, min_kappa=kappa - 1e-9) and not kept(acceptance, min_kappa=kappa + 1e-9)
    assert judge(acceptance, Limits()) == []


def test_repeatability_is_judged_as_it_was_seen(tmp_path: Path) -> None:
    scores = {
        f"{kind}/{kind}{part}/{seen}.png": LOW for kind in ("good", "dent") for part in "ab" for seen in "12"
    }
    acceptance, *_ = measured(tmp_path / "golden", scores)
    assert kept(acceptance, min_repeatability=1)
    acceptance, *_ = measured(tmp_path / "golden", scores | {"dent/denta/1.png": HIGH})
    assert kept(acceptance, min_repeatability=0.75) and not kept(acceptance, min_repeatability=0.76)


def test_a_sentence_says_how_many_parts_a_limit_takes(tmp_path: Path) -> None:
    acceptance, *_ = measured(tmp_path / "golden", plain(20, 71))
    found, alarms = judge(acceptance, Limits(min_found=0.95, max_false_alarms=0.02))
    assert not found["kept"] and "takes 72 defective parts or more" in found["sentence"]
    assert not alarms["kept"] and "takes 183 good parts or more" in alarms["sentence"]
    acceptance, *_ = measured(tmp_path / "more", plain(1, 72))
    (found,) = judge(acceptance, Limits(min_found=0.95))
    assert found["kept"] and "takes" not in found["sentence"]


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"min_found": 1}, "No number of parts proves --min-found 1"),
        ({"max_false_alarms": 0}, "No number of parts proves --max-false-alarms 0"),
        ({"min_kappa": 1}, "No number of parts proves --min-kappa 1"),
        ({"min_repeatability": 1.5}, "--min-repeatability must be between 0 and 1, not 1.5"),
    ],
)
def test_limits_out_of_reach_are_refused(limits: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Limits(**limits)


def test_repeatability_needs_repeats(tmp_path: Path) -> None:
    *_, golden = measured(tmp_path / "golden", plain(2, 2))
    with pytest.raises(ConfigError, match="golden has one of each"):
        Limits(min_repeatability=1).check(golden)
