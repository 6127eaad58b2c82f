"""The recommendation follows its rule, and says what it rests on."""

from typing import Any

import pytest

from blemish.comparison.recommendation import images_needed, recommend

IMAGES = {"train": 50, "good": 40, "defective": 60, "kept_out": 0}


def method(label: str, auroc: float, speed: float, size: int = 1_000_000) -> dict[str, Any]:
    return {
        "label": label,
        "auroc": auroc,
        "auroc_interval": [auroc - 0.04, min(1, auroc + 0.04)],
        "images_per_second": speed,
        "turns": [0.9 * speed, speed, 1.05 * speed],
        "model_bytes": size,
        "false_alarms": {"p": 0.6, "in_force": 0.05, "observed": 0.05, "unlike": ""},
    }


def pair(
    first: str, second: str, difference: float, p: float | None = 0.4, *, width: float = 0.1, **fields: Any
) -> dict[str, Any]:
    return {
        "first": first,
        "second": second,
        "difference": difference,
        "interval": [difference - width / 2, difference + width / 2],
        "p": p,
        "p_corrected": p,
        "significant": p is not None and p < 0.05,
    } | fields


def recommended(*methods: dict[str, Any], pairs: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    found = recommend(list(methods), pairs, measure="image AUROC", images=IMAGES)
    return found, " ".join(found["sentences"])


def test_what_fit_takes_unasked_unless_another_is_surely_more_accurate() -> None:
    found, text = recommended(
        *(method("a", 0.93, 2), method("rad", 0.91, 8, 500_000), method("c", 0.7, 50)),
        pairs=[pair("a", "rad", 0.02), pair("a", "c", 0.23, 0.01), pair("rad", "c", 0.21, 0.01)],
    )
    assert (found["best"], found["choice"], found["candidates"]) == ("a", "rad", ["a", "rad"])
    assert (found["smallest"], found["heading"]) == ("rad", "Take rad")
    for part in (
        "a has the highest image AUROC, 0.930 (95 % interval 0.890 to 0.970), significantly above c.",
        "rad is close and not significantly worse (0.910, p = 0.4); it scores 4 times as fast.",
        "Take rad, which fit takes unasked: no other is surely more accurate.",
        "Take a where",
        "c scores faster, but with a lower AUROC.",
        "smallest model file is rad's, 0.5 MB",
    ):
        assert part in text
    found, text = recommended(method("a", 0.93, 2), method("rad", 0.9, 8), pairs=[pair("a", "rad", 0.03)])
    assert found["choice"] == "a" and "Take a: no other has a higher AUROC." in text


def test_the_best_where_it_is_significantly_or_probably_better() -> None:
    for speed in (9, 1):
        one = pair("rad", "b", -0.2, 0.01)
        found, text = recommended(method("rad", 0.7, speed), method("b", 0.9, 2), pairs=[one])
        assert (found["choice"], found["candidates"]) == ("b", ["b"])
        assert "Take b: no other has a higher AUROC." in text
        assert ("rad scores faster, but with a lower AUROC." in text) is (speed == 9)
    one = pair("a", "b", 0.1, 0.03, p_corrected=0.09, significant=False)
    found, text = recommended(method("a", 0.9, 1), method("b", 0.8, 9), pairs=[one])
    assert (found["choice"], found["candidates"]) == ("a", ["a"])
    assert "b is probably worse (0.800, p = 0.03;" in text


@pytest.mark.parametrize(("p", "told"), [(0.07, "p = 0.07"), (None, "too few images to test")])
def test_a_clearly_lower_method_is_no_candidate_for_its_speed(p: float | None, told: str) -> None:
    found, text = recommended(
        method("a", 1.0, 1), method("b", 0.688, 9), pairs=[pair("a", "b", 0.312, p, width=0.5)]
    )
    assert (found["choice"], found["candidates"]) == ("a", ["a"])
    assert found["heading"] == "None is surely more accurate than the others; take a"
    assert f"b is lower here (0.688, {told}), but the images do not prove it." in text
    assert "significantly" not in text
    assert ("too few images to test a difference; that takes 10 good" in text) is (p is None)


def test_nothing_distinguishable_says_how_many_images_would_do() -> None:
    one = pair("a", "b", 0.02)
    found, text = recommended(method("a", 0.9, 1), method("b", 0.88, 2), pairs=[one])
    assert found["heading"] == "None is surely more accurate than the others; take a"
    assert "Where speed counts, take b: it scores 2 times as fast." in text
    needed = images_needed(one, 100)
    assert needed == pytest.approx(100 * (2.8 * 0.1 / 3.92 / 0.02) ** 2, abs=1)
    assert f"roughly {needed:,} would be needed" in text
    alike = method("a", 1.0, 1), method("b", 1.0, 2)
    for one, told in (
        (pair("a", "b", 0.0, width=0.0), "cannot tell the methods apart; harder images might"),
        (pair("a", "b", 0.0005), "more than 100,000 would be needed"),
    ):
        assert told in recommended(*alike, pairs=[one])[1]


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        ([10.0, 10.5, 10.2], "about as fast"),
        ([30.0, 31.0, 9.0], "about as fast"),  # something else ran in most turns
        ([14.0, 14.5, 14.9], "about as fast"),
        ([16.0, 15.5, 15.0], "1.6 times as fast"),
        ([5.0, 5.1, 4.9], "at 0.5 times its speed"),
    ],
)
def test_a_difference_of_speed_within_noise_is_none(turns: list[float], told: str) -> None:
    best = method("a", 0.93, 10) | {"turns": [10.0, 10.1, 9.9]}
    close = method("b", 0.92, sorted(turns)[1]) | {"turns": turns}
    found, text = recommended(best, close, pairs=[pair("a", "b", 0.01)])
    assert found["choice"] == "a" and f"it scores {told}." in text
    assert ("Where speed counts, take b" in text) is (told == "1.6 times as fast")


def test_of_methods_equally_fast_the_more_accurate_is_named_for_speed() -> None:
    others = method("c", 0.92, 8.2), method("b", 0.925, 8)
    pairs = [pair("a", "b", 0.005), pair("a", "c", 0.01), pair("b", "c", 0.005)]
    assert "Where speed counts, take b: " in recommended(*others, method("a", 0.93, 2), pairs=pairs)[1]


@pytest.mark.parametrize("unlike", ["more", "fewer", ""])
def test_false_alarms_unlike_the_rate_in_force_are_told_where_chance_explains_them(unlike: str) -> None:
    alarms = {"p": 0.06, "in_force": 0.05, "observed": 0.2, "unlike": unlike, "calibrated_on": 20}
    text = recommended(method("a", 0.9, 1) | {"false_alarms": alarms}, pairs=[])[1]
    told = f"a gave {unlike} false alarms than intended: 20\N{NO-BREAK SPACE}% of the good test images"
    assert (told in text and "rests on 20 held-out images" in text) == bool(unlike)


def test_too_many_false_alarms_guessing_and_nothing_measured_are_told() -> None:
    alarms = {"p": 0.01, "in_force": 0.05, "observed": 0.2, "unlike": "more"}
    found, text = recommended(method("a", 0.52, 1) | {"false_alarms": alarms}, pairs=[])
    assert "more false alarms than chance explains: 20" in text
    assert "nothing here surely beats guessing" in text and "Take" not in text
    assert (found["heading"], found["best"], found["choice"]) == ("No recommendation", "a", None)
    found = recommend([method("a", 0.9, 1)], [], measure="", images=IMAGES)
    assert found["choice"] is None and found["smallest"] == "a"
