"""Attribute agreement, as measurement-system analysis has it: do those who judge agree, and with what?

AIAG, "Measurement Systems Analysis", 4th edition, 2010, chapter III, section C.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from blemish.acceptance.labels import INSPECTION, Decisions
from blemish.evaluation.statistics import Kappa, cohen_kappa, exact_interval, fleiss_kappa


def agreement(
    reference: dict[str, bool], inspection: dict[str, list[bool]], people: Decisions
) -> dict[str, Any]:
    """How the inspection and people agree with themselves, with each other and with the reference.

    Args:
        reference: by part, whether it is defective.
        inspection: by part, whether each of its pictures was called defective.
        people: their decisions, perhaps of nobody.

    Returns:
        "appraisers", a row for the inspection and for each person: "name", "parts", "decisions", "misses" and
        "false_alarms" (of decisions), "with_itself" (parts that it judged alike each time, of those judged
        twice or more) and "with_reference" (parts judged rightly each time), each with its kappa; "pairs":
        Cohen's kappa of every two; "people": parts on which all people's decisions agree, and Fleiss' kappa,
        None with fewer than two people. Shares are as `shares`, kappas as `kappa_row`.
    """
    everyone = {INSPECTION: inspection, **people}
    return {
        "appraisers": [_appraiser(name, reference, judged) for name, judged in everyone.items()],
        "pairs": [
            {"first": first, "second": second, **_pair(everyone[first], everyone[second])}
            for first, second in combinations(everyone, 2)
        ],
        "people": _among(list(people.values())) if len(people) > 1 else None,
    }


def shares(flags: Iterable[bool]) -> dict[str, Any]:
    """How many flags are set: "count", "of", "share" and its exact 95 % "interval", both None of none."""
    listed = list(flags)
    count, total = sum(listed), len(listed)
    share, interval = (count / total, exact_interval(count, total)) if total else (None, None)
    return {"count": count, "of": total, "share": share, "interval": interval}


def kappa_row(kappa: Kappa) -> dict[str, Any]:
    """A "kappa" and its "kappa_interval"."""
    return {"kappa": kappa.value, "kappa_interval": kappa.interval}


def _appraiser(name: str, reference: dict[str, bool], judged: dict[str, list[bool]]) -> dict[str, Any]:
    repeated = {part: trials for part, trials in judged.items() if len(trials) > 1}
    truth = np.array([reference[part] for part in judged], np.float64)
    on = {
        kind: [decision for part, trials in judged.items() if reference[part] == kind for decision in trials]
        for kind in (True, False)
    }
    return {
        "name": name,
        "parts": len(judged),
        "decisions": sum(map(len, judged.values())),
        "misses": _of_decisions(not decision for decision in on[True]),
        "false_alarms": _of_decisions(on[False]),
        "with_itself": _among([repeated]),
        "with_reference": {
            **shares(all(one == reference[part] for one in trials) for part, trials in judged.items()),
            **kappa_row(cohen_kappa(_defective(judged.values()), truth)),
        },
    }


def _of_decisions(wrong: Iterable[bool]) -> dict[str, Any]:
    """Without an interval: decisions on one part depend on each other."""
    row = shares(wrong)
    del row["interval"]
    return row


def _pair(first: dict[str, list[bool]], second: dict[str, list[bool]]) -> dict[str, Any]:
    both = [part for part in first if part in second]
    if not both:
        return {"parts": 0, **kappa_row(Kappa(None, None))}
    one, other = (_defective([judged[part] for part in both]) for judged in (first, second))
    return {"parts": len(both), **kappa_row(cohen_kappa(one, other))}


def _among(appraisers: Sequence[dict[Any, list[bool]]]) -> dict[str, Any] | None:
    """All decisions on the parts that each of the appraisers judged; None where there is no such part."""
    common = [part for part in appraisers[0] if all(part in judged for judged in appraisers)]
    if not common:
        return None
    decided = [[decision for judged in appraisers for decision in judged[part]] for part in common]
    kappa = fleiss_kappa(np.array([sum(one) for one in decided]), np.array([len(one) for one in decided]))
    return {**shares(len(set(one)) == 1 for one in decided), **kappa_row(kappa)}


def _defective(trials: Iterable[list[bool]]) -> np.ndarray:
    return np.array([np.mean(one) for one in trials], np.float64)
