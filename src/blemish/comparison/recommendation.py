"""Which method to take, by a fixed rule and in plain sentences.

Candidates are the best method and those that are both close to it (`CLOSE`) and not significantly worse (p at
least 0.05 or no test; uncorrected: the correction guards against claiming a difference, here the risk is to
overlook one). What `fit` takes unasked is recommended where it is one of them, otherwise the best; a
candidate that surely scores faster (`surely_faster`) is named beside it. Where not even the best is surely
better than guessing, none is recommended.
"""

import math
from typing import Any

from blemish.models.registry import DEFAULT_METHOD, config_class
from blemish.reports.numbers import enumeration, fraction, interval, megabytes, percent

POWER = 1.96 + 0.84  # standard errors that a difference needs to be found in four of five test sets
MOST_IMAGES = 100_000
SIGNIFICANT = 0.05
FASTER = 1.5  # times as fast: less decides nothing
CLOSE = 0.02  # of AUROC: a method lower by more is no candidate
LEAST_TESTED = 10  # images of a class, or originals: with fewer no difference is tested

SYNTHETIC = (
    "There are no defective images, so nobody can say which method finds your defects best. The ranking here "
    "rests on synthetic defects drawn onto your good images: they are not your defects, and on yours the "
    "ranking may differ."
)

Row = dict[str, Any]  # of a method, as in `Comparison.methods`
Pair = dict[str, Any]  # of two methods, as in `Comparison.differences`


def recommend(methods: list[Row], pairs: list[Pair], *, measure: str, images: dict[str, int]) -> Row:
    """Apply the rule.

    Args:
        methods, pairs: as in `Comparison.methods` and `Comparison.differences`.
        measure: "image AUROC", "synthetic AUROC" or "".
        images: as in `Comparison.images`.

    Returns:
        As `Comparison.recommendation` describes.
    """
    smallest = min(methods, key=lambda row: row["model_bytes"])
    found: Row = {"heading": "No recommendation", "best": None, "choice": None, "candidates": []}
    found["smallest"] = smallest["label"]
    if not measure:
        return found | {"sentences": ["Accuracy could not be measured, so there is no recommendation."]}
    ranked = sorted(methods, key=lambda row: -row["auroc"])
    best = ranked[0]
    versus = {  # the best against each other one, by its label
        label: pair
        for pair in pairs
        for label, other in ((pair["first"], pair["second"]), (pair["second"], pair["first"]))
        if other == best["label"]
    }
    found["best"] = best["label"]
    sure = interval(best["auroc_interval"], "95 % interval ")
    first = f"{best['label']} has the highest {measure}, {fraction(best['auroc'])} ({sure})"
    if best["auroc_interval"][0] <= 0.5:
        advice = [f"{first}: nothing here surely beats guessing, so there is no recommendation."]
    else:
        close = [row for row in ranked[1:] if best["auroc"] - row["auroc"] <= CLOSE + 1e-9]
        candidates = [best, *(row for row in close if _may_be_chance(versus[row["label"]]))]
        preset = next(iter(config_class(DEFAULT_METHOD).presets))
        unasked = (DEFAULT_METHOD, f"{DEFAULT_METHOD}:{preset}")
        choice = next((row for row in candidates if row["label"] in unasked), best)
        undecided = all(map(_may_be_chance, versus.values()))
        if not versus:
            heading = "One method was measured"
        elif measure == "synthetic AUROC":
            heading = f"For a start, take {choice['label']}"
        elif undecided:
            heading = f"None is surely more accurate than the others; take {choice['label']}"
        else:
            heading = f"Take {choice['label']}"
        found |= {"heading": heading, "choice": choice["label"]}
        found["candidates"] = [row["label"] for row in candidates]
        advice = _advice(first, ranked, versus, candidates, choice)
        if versus and undecided:
            advice.insert(-1, _undecided(versus[ranked[1]["label"]], measure, images))
    advice.append(f"The smallest model file is {smallest['label']}'s, {megabytes(smallest['model_bytes'])}.")
    advice += filter(None, map(_alarms, methods))
    if measure == "synthetic AUROC":
        advice = [SYNTHETIC, *advice, "Collect 20 or more real defective images and compare again."]
    return found | {"sentences": advice}


def images_needed(pair: Pair, count: int) -> int | None:
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


def surely_faster(row: Row, other: Row) -> bool:
    """Whether a method scored faster than another in each turn, and in the middle by more than noise."""
    ratio = row["images_per_second"] / other["images_per_second"]
    return ratio >= FASTER and all(one > two for one, two in zip(row["turns"], other["turns"], strict=True))


def _may_be_chance(pair: Pair) -> bool:
    return pair["p"] is None or pair["p"] >= SIGNIFICANT


def _times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 9.5 else f"{ratio:.2g}"


def _advice(
    first: str, ranked: list[Row], versus: dict[str, Pair], candidates: list[Row], choice: Row
) -> list[str]:
    """The best method, each of the others, and what to take."""
    best, others = ranked[0], ranked[1:]
    worse = [row["label"] for row in others if versus[row["label"]]["significant"]]
    sentences = [f"{first}, significantly above {enumeration(worse)}." if worse else f"{first}."]
    for row in others:
        label, pair = row["label"], versus[row["label"]]
        p = "too few images to test" if pair["p"] is None else f"p = {pair['p']:.2g}"
        value = f"{fraction(row['auroc'])}, {p}"
        if row in candidates:
            ratio = row["images_per_second"] / best["images_per_second"]
            speed = "about as fast"
            if surely_faster(best, row):
                speed = f"at {_times(ratio)} times its speed"
            elif surely_faster(row, best):
                speed = f"{_times(ratio)} times as fast"
            sentences.append(f"{label} is close and not significantly worse ({value}); it scores {speed}.")
        elif label not in worse and _may_be_chance(pair):
            sentences.append(f"{label} is lower here ({value}), but the images do not prove it.")
        elif label not in worse:
            many = "not significant among so many comparisons"
            sentences.append(f"{label} is probably worse ({value}; {many}).")
    if choice is not best:
        sentences.append(
            f"Take {choice['label']}, which fit takes unasked: no other is surely more accurate. Take "
            f"{best['label']} where a possible gain in accuracy counts for more than a change."
        )
    elif others:
        sentences.append(f"Take {best['label']}: no other has a higher AUROC.")
    fast = choice
    for row in candidates:
        fast = row if surely_faster(row, fast) else fast
    if fast is not choice:
        ratio = fast["images_per_second"] / choice["images_per_second"]
        sentences.append(
            f"Where speed counts, take {fast['label']}: it scores {_times(ratio)} times as fast."
        )
    elif faster := [row["label"] for row in others if row not in candidates and surely_faster(row, choice)]:
        verb = "score" if len(faster) > 1 else "scores"
        sentences.append(f"{enumeration(faster)} {verb} faster, but with a lower AUROC.")
    return sentences


def _undecided(pair: Pair, measure: str, images: dict[str, int]) -> str:
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


def _alarms(row: Row) -> str:
    """What is to be said of false alarms that are not as many as the rate in force; "" where they are."""
    alarms = row["false_alarms"]
    share = f"{percent(alarms['observed'])} of the good test images"
    in_force = f"with {percent(alarms['in_force'])} in force"
    if alarms["p"] < SIGNIFICANT:
        return (
            f"{row['label']} gave more false alarms than chance explains: {share}, {in_force}. Are they like "
            "those it learned from?"
        )
    if alarms["unlike"]:
        return (
            f"{row['label']} gave {alarms['unlike']} false alarms than intended: {share}, {in_force}. Its "
            f"threshold rests on {alarms['calibrated_on']} held-out images; more make it surer."
        )
    return ""
