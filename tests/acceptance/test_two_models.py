"""Two models on the same judged pictures, by hand."""

from blemish.acceptance.two_models import Pair, compare
from blemish.evaluation.statistics import exact_interval
from blemish.reports.numbers import percent


def pair(number: int, is_defective: bool, old: float, new: float) -> Pair:
    """Of models that both have the threshold 5."""
    return Pair(number, is_defective, (old, new), (old > 5, new > 5))


GOOD = [pair(0, False, 6, 3), pair(1, False, 1, 2), pair(2, False, 2, 1), pair(3, False, 7, 6)]
BAD = [pair(4, True, 8, 9), pair(5, True, 4, 6)]


def told(*pairs: Pair) -> list[str]:
    return [sentence.replace("\u00a0", " ") for sentence in compare(pairs, "old.onnx", "new.onnx")]


def test_both_are_told_with_exact_intervals() -> None:
    half, quarter = ([percent(end).replace("\u00a0", " ") for end in exact_interval(n, 4)] for n in (2, 1))
    sentences = told(*GOOD, *BAD)
    assert sentences[0] == "They are compared on 4 good pictures and 2 with a defect, new to both."
    assert sentences[1] == (
        f"False alarms: old.onnx 2 of 4 (50 %; 95 % interval {half[0]} to {half[1]}), "
        f"new.onnx 1 of 4 (25 %; 95 % interval {quarter[0]} to {quarter[1]}); "
        "they differ on 1, and new.onnx is right on 1 of these: chance may explain that."
    )
    assert sentences[2].startswith("Found defects: old.onnx 1 of 2 (50 %;")
    assert ", new.onnx 2 of 2 (100 %;" in sentences[2]
    assert sentences[3].startswith(
        "Area under the ROC curve, whatever the threshold: old.onnx 0.750, new.onnx"
    )


def test_good_pictures_and_defects_are_told_apart() -> None:
    good, bad = [pair(0, False, 4, 6)] * 8, [pair(0, True, 4, 6)] * 8
    sentences = told(*good, *bad)
    assert sentences[1].endswith("right on 0 of these: it is worse, by more than chance.")
    assert sentences[2].endswith("right on 8 of these: it is better, by more than chance.")
    assert told(*bad[:5])[2].endswith("chance may explain that.")  # 0.5**5 * 2 > 0.05


def test_nothing_to_compare_is_said() -> None:
    assert told() == [
        "They are compared on 0 good pictures and 0 with a defect, new to both.",
        "False alarms: old.onnx 0 of 0, new.onnx 0 of 0; there is nothing to compare them by.",
        "Found defects: old.onnx 0 of 0, new.onnx 0 of 0; there is nothing to compare them by.",
    ]
