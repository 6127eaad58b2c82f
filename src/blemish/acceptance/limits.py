"""Limits that an inspection must keep, so that a release can depend on them."""

import math
from dataclasses import dataclass
from typing import Any

from blemish.acceptance.measure import Acceptance
from blemish.datasets.golden import GoldenSet
from blemish.errors import ConfigError
from blemish.evaluation.statistics import LEVEL


@dataclass(frozen=True)
class Limits:
    """What to keep; None asks for nothing.

    Found, false alarms and kappa are judged on the unfavourable end of the 95 % interval, so that chance does
    not pass an inspection; repeatability on what was seen, so that 1 asks that no verdict changed.

    Attributes:
        min_found: share of defective parts found, in [0, 1).
        max_false_alarms: share of good parts called defective, in (0, 1].
        min_repeatability: share of the parts seen more than once whose verdict never changed, in [0, 1].
        min_kappa: Cohen's kappa of the inspection against the reference, in [0, 1).

    Raises:
        ConfigError: a limit is out of range.
    """

    min_found: float | None = None
    max_false_alarms: float | None = None
    min_repeatability: float | None = None
    min_kappa: float | None = None

    def __post_init__(self) -> None:
        for name, asked in vars(self).items():
            option = f"--{name.replace('_', '-')}"
            if asked is not None and not 0 <= asked <= 1:
                raise ConfigError(f"{option} must be between 0 and 1, not {asked:g}.")
            if name != "min_repeatability" and asked == (0 if name == "max_false_alarms" else 1):
                raise ConfigError(
                    f"No number of parts proves {option} {asked:g}; ask for less than perfection."
                )

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
    """Each limit asked for: its "name", what is "asked", the "value" that is judged, "kept", a "sentence"."""
    found, alarms, same = acceptance.found, acceptance.false_alarms, acceptance.repeatability
    kappa = acceptance.agreement["appraisers"][0]["with_reference"]
    values = {
        "min_found": (found["interval"][0], f"{_seen(found)} defective parts were found, proved is"),
        "max_false_alarms": (
            alarms["interval"][1],
            f"{_seen(alarms)} good parts were false alarms, proved is",
        ),
        "min_kappa": (kappa["kappa_interval"][0], f"Kappa was {kappa['kappa']:.3f}, proved is"),
    }
    if same:
        values["min_repeatability"] = (
            same["share"],
            f"On {_seen(same)} parts the verdict never changed, a share of",
        )
    judged = []
    for name, asked in vars(limits).items():
        if asked is None:
            continue
        value, text = values[name]
        at_most = name == "max_false_alarms"
        kept = value <= asked if at_most else value >= asked
        side = "" if name == "min_repeatability" else "at most " if at_most else "at least "
        sentence = f"{text} {side}{value:.3f}; {asked:g} is asked{_too_few(name, asked, found, alarms)}."
        judged.append({"name": name, "asked": asked, "value": value, "kept": kept, "sentence": sentence})
    return judged


def _seen(share: dict[str, Any]) -> str:
    return f"{share['count']} of {share['of']}"


def _too_few(name: str, asked: float, found: dict[str, Any], alarms: dict[str, Any]) -> str:
    """What to say where a limit is out of reach even with all parts judged rightly."""
    share, parts, kind = {
        "min_found": (asked, found["of"], "defective"),
        "max_false_alarms": (1 - asked, alarms["of"], "good"),
    }.get(name, (0, 0, ""))
    needed = math.ceil(math.log((1 - LEVEL) / 2) / math.log(share)) if 0 < share < 1 else 0
    return f", which takes {needed} {kind} parts or more to prove" if parts < needed else ""
