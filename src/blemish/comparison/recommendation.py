"""Which method to take, by a fixed rule and in plain words.

Candidates are the best method and those that are both close to it (`CLOSE`) and not significantly worse (p at
least 0.05 or no test; uncorrected: the correction guards against claiming a difference, here the risk is to
overlook one); of these the fastest at scoring is recommended. Where not even the best is surely better than
guessing, none is. Nothing but measurements enters.
"""

import math
from typing import Any

from blemish.reports.numbers import fraction, percent, short_number

POWER = 1.96 + 0.84  # standard errors that a difference needs to be found in four of five test sets
MOST_IMAGES = 100_000
SIGNIFICANT = 0.05
CLOSE = 0.02  # of AUROC: no more is given up for speed
LEAST_TESTED = 10  # images of a class, or originals: with fewer no difference is tested

SYNTHETIC = (
    "There are no defective images, so nobody can say which method finds your defects best. The ranking here "
    "rests on synthetic defects drawn onto your good images: they are not your defects, and on yours the "
    "ranking may differ."
)


def recommend(
    methods: list[dict[str, Any]], pairs: list[dict[str, Any]], *, measure: str, images: dict[str, int]
) -> dict[str, Any]:
    """Apply the rule.

    Args:
        methods, pairs: as in `Comparison.methods` and `Comparison.differences` of the measure.
        measure: "image AUROC", "synthetic AUROC" or "".
        images: as in `Comparison.images`.

    Returns:
        As `Comparison.recommendation` describes.
    """
    smallest = min(methods, key=lambda row: row["model_bytes"])
    nothing: dict[str, Any] = {
        "heading": "No recommendation",
        "best": None,
        "choice": None,
        "candidates": [],
        "smallest": smallest["label"],
    }
    if not measure:
        return nothing | {"sentences": ["Accuracy could not be measured, so there is no recommendation."]}
    ranked = sorted(methods, key=lambda row: -row["auroc"])
    best = ranked[0]
    versus = {_other(pair, best["label"]): pair for pair in pairs if best["label"] in _names(pair)}
    candidates = [row for row in ranked if row is best or _rivals(row, best, versus[row["label"]])]
    choice = max(candidates, key=lambda row: row["images_per_second"])
    guessing = best["auroc_interval"][0] <= 0.5
    sentences = [SYNTHETIC] if measure == "synthetic AUROC" else []
    if guessing:
        sentences.append(
            f"{_highest(best, measure)}: nothing here surely beats guessing, so there is no recommendation."
        )
    else:
        sentences += _accuracy(ranked, versus, candidates, choice, measure, images)
    sentences += [f"The smallest model file is {smallest['label']}'s, {size(smallest['model_bytes'])}."]
    sentences += [sentence for row in methods if (sentence := _too_many_alarms(row))]
    if measure == "synthetic AUROC":
        sentences.append("Collect 20 or more real defective images and compare again.")
    if guessing:
        return nothing | {"best": best["label"], "sentences": sentences}
    return {
        "heading": _heading(versus, choice, measure),
        "best": best["label"],
        "choice": choice["label"],
        "candidates": [row["label"] for row in candidates],
        "smallest": smallest["label"],
        "sentences": sentences,
    }


def size(count: int) -> str:
    """Bytes as "2.4 MB"."""
    return f"{count / 1e6:.1f} MB"


def interval(low_high: list[float] | None) -> str:
    """A 95 % interval of an AUROC in words; resampling cannot show how sure a perfect order is."""
    if low_high is None:
        return "n/a"
    if low_high[0] == low_high[1] == 1:
        return "perfect on these images"
    return f"{fraction(low_high[0])} to {fraction(low_high[1])}"


def images_needed(pair: dict[str, Any], count: int) -> int | None:
    """How many test images would show a difference as large as measured in four of five tests.

    From the standard error that the interval implies, at the same mix of good and defective images; a single
    question at 5 %.

    Returns:
        None where no difference, or no uncertainty, was measured.
    """
    error = (pair["interval"][1] - pair["interval"][0]) / (2 * 1.96)
    if not error or abs(pair["difference"]) < 1e-6:
        return None
    return math.ceil(count * (POWER * error / pair["difference"]) ** 2)


def _heading(versus: dict[str, dict[str, Any]], choice: dict[str, Any], measure: str) -> str:
    if not versus:
        return "One method was measured"
    if measure == "synthetic AUROC":
        return f"For a start, take {choice['label']}"
    if all(map(_may_be_chance, versus.values())):
        return f"None is surely more accurate than the others; take {choice['label']}"
    return f"Take {choice['label']}"


def _accuracy(
    ranked: list[dict[str, Any]],
    versus: dict[str, dict[str, Any]],
    candidates: list[dict[str, Any]],
    choice: dict[str, Any],
    measure: str,
    images: dict[str, int],
) -> list[str]:
    best, others = ranked[0], candidates[1:]
    worse = [row["label"] for row in ranked[1:] if versus[row["label"]]["significant"]]
    first = _highest(best, measure)
    sentences = [f"{first}, significantly above {_list(worse)}." if worse else f"{first}."]
    for row in others:
        sentences.append(
            f"{row['label']} is close and not significantly worse ({_value_and_p(row, versus)}); "
            f"it scores {_ratio(row, best)}."
        )
    for row in ranked[1:]:
        if row in candidates or row["label"] in worse:
            continue
        value = _value_and_p(row, versus)
        if _may_be_chance(versus[row["label"]]):
            sentences.append(f"{row['label']} is lower here ({value}), but the images do not prove it.")
        else:
            sentences.append(
                f"{row['label']} is probably worse ({value}; not significant among so many comparisons)."
            )
    if versus and all(map(_may_be_chance, versus.values())):
        sentences.append(_undecided(versus[ranked[1]["label"]], measure, images))
    if len(ranked) > 1:
        sentences.append(_advice(ranked, candidates, choice))
    return sentences


def _highest(best: dict[str, Any], measure: str) -> str:
    sure = interval(best["auroc_interval"])
    sure = sure if sure.startswith("perfect") else f"95 % interval {sure}"
    return f"{best['label']} has the highest {measure}, {fraction(best['auroc'])} ({sure})"


def _value_and_p(row: dict[str, Any], versus: dict[str, dict[str, Any]]) -> str:
    p = versus[row["label"]]["p"]
    return f"{fraction(row['auroc'])}, {'too few images to test' if p is None else f'p = {p:.2g}'}"


def _advice(ranked: list[dict[str, Any]], candidates: list[dict[str, Any]], choice: dict[str, Any]) -> str:
    best = ranked[0]
    if choice is not best:
        return (
            f"Take {choice['label']}: of the methods within {CLOSE} of the best and not significantly worse "
            f"it scores fastest ({short_number(choice['images_per_second'])} images a second). "
            f"Take {best['label']} where a possible gain in accuracy counts for more than speed."
        )
    faster = [row["label"] for row in ranked if row["images_per_second"] > best["images_per_second"]]
    if faster:
        verb = "score" if len(faster) > 1 else "scores"
        return f"Take {best['label']}; {_list(faster)} {verb} faster, but with a lower AUROC."
    return f"Take {best['label']}: no other has a higher AUROC, and none scores faster."


def _undecided(pair: dict[str, Any], measure: str, images: dict[str, int]) -> str:
    if pair["p"] is None:
        what = "original images" if measure == "synthetic AUROC" else "good and as many defective test images"
        return f"There are too few images to test a difference; that takes {LEAST_TESTED} {what}."
    if measure == "synthetic AUROC":
        return "On these synthetic defects the methods cannot be told apart."
    count = images["good"] + images["defective"]
    start = f"These {count} test images cannot tell the methods apart"
    needed = images_needed(pair, count)
    if needed is None:
        return f"{start}; harder images might."
    if needed > MOST_IMAGES:
        return f"{start}, and more than {MOST_IMAGES:,} would be needed to tell the two best."
    return (
        f"{start}: if the two best differ as much as measured here, roughly {max(needed, count + 1):,} would "
        "be needed to show it."
    )


def _rivals(row: dict[str, Any], best: dict[str, Any], pair: dict[str, Any]) -> bool:
    return bool(best["auroc"] - row["auroc"] <= CLOSE + 1e-9) and _may_be_chance(pair)


def _may_be_chance(pair: dict[str, Any]) -> bool:
    return pair["p"] is None or pair["p"] >= SIGNIFICANT


def _too_many_alarms(row: dict[str, Any]) -> str:
    alarms = row["false_alarms"]
    if alarms["p"] >= SIGNIFICANT:
        return ""
    return (
        f"{row['label']} gave more false alarms than chance explains: {percent(alarms['observed'])} of the "
        f"good test images, with {percent(alarms['in_force'])} in force. Are they like those it learned from?"
    )


def _ratio(row: dict[str, Any], best: dict[str, Any]) -> str:
    ratio = row["images_per_second"] / best["images_per_second"]
    if ratio >= 1.1:
        return f"{ratio:.2g} times as fast"
    return "about as fast" if ratio > 0.9 else f"at {ratio:.2g} times its speed"


def _names(pair: dict[str, Any]) -> tuple[str, str]:
    return pair["first"], pair["second"]


def _other(pair: dict[str, Any], label: str) -> str:
    return next(name for name in _names(pair) if name != label)


def _list(labels: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(labels[:-1]), labels[-1]]))
