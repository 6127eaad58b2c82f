"""Limits that an inspection must keep, so that a release can depend on them."""

import math
from dataclasses import dataclass
from typing import Any

from blemish.acceptance.agreement import INSPECTION
from blemish.acceptance.measure import Acceptance
from blemish.datasets.golden import GoldenSet
from blemish.errors import ConfigError
from blemish.evaluation.statistics import LEVEL
from blemish.reports.numbers import fraction, percent


@dataclass(frozen=True)
class Limits:
    """What to keep; None asks for nothing.

    Found, false alarms and kappa are judged on the unfavourable end of the 95 % interval, so that chance does
    not pass an inspection; repeatability on what was seen, so that 1 asks that no verdict changed.

    Attributes:
        min_found: share of defective parts found, in [0, 1).
        max_false_alarms: share of good parts called defective, in (0, 1].
        min_repeatability: share of the parts seen more than once whose verdict never changed, in [0, 1].
        min_kappa: Cohen's kappa of the inspection against the reference, in [-1, 1).

    Raises:
        ConfigError: a limit is out of range.
    """

    min_found: float | None = None
    max_false_alarms: float | None = None
    min_repeatability: float | None = None
    min_kappa: float | None = None

    def __post_init__(self) -> None:
        found, alarms, same, kappa = vars(self).values()
        for option, value, allowed, words in (
            ("--min-found", found, found is None or 0 <= found < 1, "at least 0 and below 1"),
            ("--max-false-alarms", alarms, alarms is None or 0 < alarms <= 1, "above 0 and at most 1"),
            ("--min-repeatability", same, same is None or 0 <= same <= 1, "from 0 to 1"),
            ("--min-kappa", kappa, kappa is None or -1 <= kappa < 1, "at least -1 and below 1"),
        ):
            if not allowed:
                proof = "" if option == "--min-repeatability" else "; no number of parts proves perfection"
                raise ConfigError(f"{option} must be {words}, not {value:g}{proof}.")

    def check(self, golden: GoldenSet) -> None:
        """Refuse a limit on repeatability where no part has two pictures.

        Raises:
            ConfigError: so it is.
        """
        single = len({sample.part for sample in golden.samples}) == len(golden.samples)
        if self.min_repeatability is not None and single:
            raise ConfigError(
                f"--min-repeatability needs parts with several pictures, but {golden.name} has one of each; "
                "put those of a part into a sub-folder, or name it in the column part."
            )


def judge(acceptance: Acceptance, limits: Limits) -> list[dict[str, Any]]:
    """Each limit that is asked for and can be judged: its "name", whether it is "kept", and a "sentence"."""
    judged = []
    if limits.min_found is not None:
        low, _ = acceptance.found["interval"]
        kept = low >= limits.min_found
        text = f"Found at least {percent(low)} of defective parts {_seen(acceptance.found)}"
        text += f"; {percent(limits.min_found)} is asked"
        needed = _parts_needed(limits.min_found)
        judged.append(_row("min_found", kept, text, needed, acceptance.found["of"], "defective"))
    if limits.max_false_alarms is not None:
        _, high = acceptance.false_alarms["interval"]
        kept = high <= limits.max_false_alarms
        text = f"False alarms on at most {percent(high)} of good parts {_seen(acceptance.false_alarms)}"
        text += f"; {percent(limits.max_false_alarms)} is asked"
        needed = _parts_needed(1 - limits.max_false_alarms)
        judged.append(_row("max_false_alarms", kept, text, needed, acceptance.false_alarms["of"], "good"))
    if limits.min_repeatability is not None and (same := acceptance.repeatability):
        text = f"The verdict never changed on {same['count']} of {same['of']} repeated parts"
        text += f" ({percent(same['share'])}); {percent(limits.min_repeatability)} is asked"
        judged.append(_row("min_repeatability", same["share"] >= limits.min_repeatability, text))
    if limits.min_kappa is not None:
        of = next(row for row in acceptance.agreement["appraisers"] if row["name"] == INSPECTION)
        kappa, (low, _) = of["with_reference"]["kappa"], of["with_reference"]["kappa_interval"]
        text = f"Kappa against the reference is at least {fraction(low)} (observed: {fraction(kappa)})"
        judged.append(
            _row("min_kappa", low >= limits.min_kappa, f"{text}; {fraction(limits.min_kappa)} is asked")
        )
    return judged


def _seen(share: dict[str, Any]) -> str:
    return f"(observed: {share['count']} of {share['of']})"


def _parts_needed(share: float) -> int:
    """The least number of parts that prove this share where none of them is judged wrongly."""
    return math.ceil(math.log((1 - LEVEL) / 2) / math.log(share)) if share > 0 else 1


def _row(name: str, kept: bool, text: str, needed: int = 0, parts: int = 0, kind: str = "") -> dict[str, Any]:
    more = f", and it takes {needed} {kind} parts or more to prove it" if parts < needed else ""
    return {"name": name, "kept": kept, "sentence": f"{text}{more}."}
