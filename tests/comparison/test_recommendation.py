"""The recommendation follows its rule, and says what it rests on."""

from typing import Any

import pytest

from blemish.comparison.recommendation import images_needed, recommend


def method(label: str, auroc: float, speed: float, size: int = 1_000_000) -> dict[str, Any]:
    return {
        "label": label,
        "auroc": auroc,
        "auroc_interval": [auroc - 0.04, min(1, auroc + 0.04)],
        "images_per_second": speed,
        "model_bytes": size,
        "false_alarms": {"p": 0.6, "in_force": 0.05, "observed": 0.05},
    }


def pair(
    first: str, second: str, difference: float, *, significant: bool, width: float = 0.1
) -> dict[str, Any]:
    return {
        "first": first,
        "second": second,
        "difference": difference,
        "interval": [difference - width / 2, difference + width / 2],
        "p": 0.01 if significant else 0.4,
        "p_corrected": 0.01 if significant else 0.4,
        "significant": significant,
    }


IMAGES = {"train": 50, "good": 40, "defective": 60, "kept_out": 0}


class TestRecommendation:
    def test_the_fastest_of_those_not_significantly_worse(self) -> None:
        methods = [method("a", 0.93, 2), method("b", 0.91, 8, 500_000), method("c", 0.7, 50)]
        pairs = [
            pair("a", "b", 0.02, significant=False),
            pair("a", "c", 0.23, significant=True),
            pair("b", "c", 0.21, significant=True),
        ]
        found = recommend(methods, pairs, measure="image AUROC", images=IMAGES)
        assert (found["best"], found["choice"], found["candidates"]) == ("a", "b", ["a", "b"])
        assert (found["smallest"], found["heading"]) == ("b", "Take b")
        text = " ".join(found["sentences"])
        assert (
            "a has the highest image AUROC, 0.930 (95 % interval 0.890 to 0.970), significantly above c."
            in text
        )
        assert "b is close and not significantly worse (0.910, p = 0.4); it scores 4 times as fast." in text
        assert "Take b: of the methods within 0.02 of the best" in text and "Take a where" in text
        assert "smallest model file is b's, 0.5 MB" in text

    def test_the_best_where_it_is_significantly_better(self) -> None:
        methods = [method("a", 0.7, 9), method("b", 0.9, 2)]
        found = recommend(
            methods, [pair("a", "b", -0.2, significant=True)], measure="image AUROC", images=IMAGES
        )
        assert (found["choice"], found["candidates"]) == ("b", ["b"])
        assert "Take b; a scores faster, but with a lower AUROC." in found["sentences"]

    def test_a_doubtful_method_is_no_candidate(self) -> None:
        one = pair("a", "b", 0.1, significant=False) | {"p": 0.03, "p_corrected": 0.09}
        found = recommend(
            [method("a", 0.9, 1), method("b", 0.8, 9)], [one], measure="image AUROC", images=IMAGES
        )
        assert (found["choice"], found["candidates"]) == ("a", ["a"])
        assert any("b is probably worse (0.800, p = 0.03;" in sentence for sentence in found["sentences"])

    def test_a_clearly_lower_method_is_no_candidate_for_its_speed(self) -> None:
        methods = [method("a", 1.0, 1), method("b", 0.688, 9)]
        for p, told in ((0.07, "p = 0.07"), (None, "too few images to test")):
            one = pair("a", "b", 0.312, significant=False, width=0.5) | {"p": p, "p_corrected": p}
            found = recommend(methods, [one], measure="image AUROC", images=IMAGES)
            assert (found["choice"], found["candidates"]) == ("a", ["a"])
            assert found["heading"] == "None is surely more accurate than the others; take a"
            text = " ".join(found["sentences"])
            assert f"b is lower here (0.688, {told}), but the images do not prove it." in text
            assert "significantly" not in text
            assert ("too few images to test a difference; that takes 10 good" in text) is (p is None)

    def test_nothing_distinguishable_says_how_many_images_would_do(self) -> None:
        one = pair("a", "b", 0.02, significant=False)
        found = recommend(
            [method("a", 0.9, 1), method("b", 0.88, 2)], [one], measure="image AUROC", images=IMAGES
        )
        assert found["heading"] == "None is surely more accurate than the others; take b"
        needed = images_needed(one, 100)
        assert needed == pytest.approx(100 * (2.8 * 0.1 / 3.92 / 0.02) ** 2, abs=1)
        assert any(f"roughly {needed:,} would be needed" in sentence for sentence in found["sentences"])

    def test_alike_or_hopeless(self) -> None:
        methods = [method("a", 1.0, 1), method("b", 1.0, 2)]
        same = pair("a", "b", 0.0, significant=False, width=0.0)
        text = " ".join(recommend(methods, [same], measure="image AUROC", images=IMAGES)["sentences"])
        assert "cannot tell the methods apart; harder images might" in text
        tiny = pair("a", "b", 0.0005, significant=False)
        text = " ".join(recommend(methods, [tiny], measure="image AUROC", images=IMAGES)["sentences"])
        assert "more than 100,000 would be needed" in text

    def test_too_many_false_alarms_and_guessing_are_told(self) -> None:
        bad = method("a", 0.52, 1)
        bad["false_alarms"] = {"p": 0.01, "in_force": 0.05, "observed": 0.2}
        found = recommend([bad], [], measure="image AUROC", images=IMAGES)
        text = " ".join(found["sentences"])
        assert "more false alarms than chance explains: 20" in text
        assert "nothing here surely beats guessing" in text and "Take" not in text
        assert (found["heading"], found["best"], found["choice"]) == ("No recommendation", "a", None)

    def test_nothing_measured(self) -> None:
        found = recommend([method("a", 0.9, 1)], [], measure="", images=IMAGES)
        assert found["choice"] is None and found["smallest"] == "a"
