"""Two models on the same known pictures: which has fewer false alarms, and which finds more."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from blemish.acceptance.agreement import shares
from blemish.evaluation.statistics import delong, delong_p, exact_interval
from blemish.reports.numbers import fraction, p_value, percent


class Pair(NamedTuple):
    """What two models say of a picture, whose number is the caller's."""

    picture: int
    is_defective: bool
    scores: tuple[float, float]
    alarms: tuple[bool, bool]

    @property
    def differs(self) -> bool:
        return self.alarms[0] != self.alarms[1]


def compare(pairs: Sequence[Pair], old: str, new: str) -> list[str]:
    """False alarms and found defects of two models, in sentences.

    Shares have exact 95 % intervals (Clopper and Pearson). Which model is better on good pictures, and which
    on defects, is told by those that they judge differently (the sign test), and on the whole by the areas
    under their ROC curves (DeLong).

    Args:
        pairs: of pictures that neither learned from.
        old, new: names of the models, in the order of the pairs.
    """
    good, bad = ([pair for pair in pairs if pair.is_defective == kind] for kind in (False, True))
    sentences = [
        f"They are compared on {len(good)} good pictures and {len(bad)} with a defect, new to both.",
        f"False alarms: {_shares(good, old, new)}; {_difference(good, new)}.",
        f"Found defects: {_shares(bad, old, new)}; {_difference(bad, new)}.",
    ]
    if good and bad:
        arrays = (np.array([pair.scores for pair in some]).T[:, None] for some in (good, bad))
        areas = delong(*arrays)
        p = delong_p(areas, 0, 1)
        first, second = areas.values
        sentences.append(
            f"Area under the ROC curve, whatever the threshold: {old} {fraction(first)}, "
            f"{new} {fraction(second)}" + ("." if p is None else f" (DeLong's test: {p_value(p)}).")
        )
    return sentences


def _shares(pairs: list[Pair], old: str, new: str) -> str:
    alarms = (shares(pair.alarms[place] for pair in pairs) for place in (0, 1))
    return ", ".join(f"{name} {_words(share)}" for name, share in zip((old, new), alarms, strict=True))


def _words(share: dict[str, Any]) -> str:
    if not share["of"]:
        return "0 of 0"
    low, high = map(percent, share["interval"])
    return f"{share['count']} of {share['of']} ({percent(share['share'])}; 95 % interval {low} to {high})"


def _difference(pairs: list[Pair], new: str) -> str:
    if not pairs:
        return "there is nothing to compare them by"
    differ = [pair for pair in pairs if pair.differs]
    if not differ:
        return "they judge all alike"
    right = sum(pair.alarms[1] == pair.is_defective for pair in differ)
    low, high = exact_interval(right, len(differ))
    better = "better" if low > 0.5 else "worse" if high < 0.5 else ""
    meaning = f"it is {better}, by more than chance" if better else "chance may explain that"
    return f"they differ on {len(differ)}, and {new} is right on {right} of these: {meaning}"
