"""From the scores of held-out good images to p-values, verdicts and a kept false-alarm rate.

Conformal: p(x) = (1 + #{calibration scores >= score(x)}) / (n + 1), and x is anomalous when p is at most
the false-alarm rate. For good images that are exchangeable with the calibration images, the chance of a
false alarm is then at most that rate, whatever the model and however its scores are distributed.
(Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005.)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, overload

import numpy as np

from blemish.errors import ConfigError, ImageError


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of good images that the model was not trained on, and the rate of false alarms to keep.

    Attributes:
        scores: [n] finite scores in any order; kept as a sorted, read-only float32 array.
        false_alarm_rate: the share of good images that may be called anomalous, inside (0, 1).

    Raises:
        ConfigError: there is no score, a score is not a finite number, or the rate is out of range.
    """

    scores: np.ndarray
    false_alarm_rate: float

    def __post_init__(self) -> None:
        try:
            scores = np.sort(np.asarray(self.scores, np.float32).ravel())
            rate = float(self.false_alarm_rate)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"calibration scores and false-alarm rate must be numbers: {error}") from error
        if not len(scores):
            raise ConfigError("calibration needs the score of at least one held-out good image")
        if not np.isfinite(scores).all():
            raise ConfigError("a calibration score is not a finite number")
        if not 0 < rate < 1:
            raise ConfigError(f"false_alarm_rate must be between 0 and 1 (both excluded), not {rate:g}")
        scores.setflags(write=False)
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "false_alarm_rate", rate)

    @overload
    def p_value(self, score: float) -> float: ...
    @overload
    def p_value(self, score: np.ndarray) -> np.ndarray: ...
    def p_value(self, score: float | np.ndarray) -> float | np.ndarray:
        """The share of good images expected to score at least this high, in [1 / (n + 1), 1].

        Args:
            score: one score or an array of them, compared as float32. Infinity is higher than all.

        Raises:
            ValueError: a score is NaN, which has no rank and must not pass as normal.
        """
        given = np.asarray(score, np.float32)
        if np.isnan(given).any():
            raise ValueError("a score is NaN")
        count = len(self.scores)
        p = (1 + count - np.searchsorted(self.scores, given, side="left")) / (count + 1)
        return p if given.ndim else float(p)

    @overload
    def is_anomalous(self, score: float) -> bool: ...
    @overload
    def is_anomalous(self, score: np.ndarray) -> np.ndarray: ...
    def is_anomalous(self, score: float | np.ndarray) -> bool | np.ndarray:
        """Whether the p-value is at most `effective_rate`; arguments and errors as in `p_value`."""
        verdict = np.asarray(self.p_value(score)) <= self.effective_rate
        return verdict if verdict.ndim else bool(verdict)

    def judge(self, score: float) -> tuple[float, bool]:
        """The p-value of one image's score and whether the image is anomalous, wherever a verdict is given.

        Args:
            score: on the model's raw scale, compared as float32.

        Raises:
            ImageError: the score is NaN or infinite: such an image has no verdict.
        """
        if not math.isfinite(score):
            raise ImageError(f"the model gave {score:g}")
        p_value = self.p_value(score)
        return p_value, p_value <= self.effective_rate

    @property
    def effective_rate(self) -> float:
        """The false-alarm rate in force: the one asked for, or 1 / (n + 1) when n images allow no less."""
        return max(self.false_alarm_rate, 1 / (len(self.scores) + 1))

    @property
    def threshold(self) -> float:
        """An image is anomalous when its score is strictly above this calibration score."""
        # p <= rate means that fewer than `rank` calibration scores are >= the score, so that the
        # rank-th largest is below it. The division is the one of `p_value`: rate * (n + 1) would round
        # differently (0.29 * 100 < 29).
        count = len(self.scores)
        ranks = np.arange(1, count + 1)
        rank = int(np.count_nonzero(ranks / (count + 1) <= self.effective_rate))
        return float(self.scores[count - rank])

    @property
    def note(self) -> str:
        """One sentence to print with every verdict when the rate asked for cannot be kept, else ""."""
        count, asked = len(self.scores), self.false_alarm_rate
        if self.effective_rate == asked:
            return ""
        images = "1 calibration image" if count == 1 else f"{count} calibration images"
        wanted = f"{100 * asked:g}"
        shown = (f"{100 * self.effective_rate:.{digits}g}" for digits in range(2, 18))
        used = next((text for text in shown if text != wanted), wanted)
        return (
            f"{images} cannot support a false-alarm rate of {wanted} %; "
            f"{used} % is used. {_images_needed(asked)} would be enough."
        )

    def with_rate(self, rate: float) -> "Calibration":
        """The same scores with another false-alarm rate."""
        return Calibration(self.scores, rate)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON; `from_dict` gives back exactly the same calibration."""
        return {"scores": self.scores.tolist(), "false_alarm_rate": self.false_alarm_rate}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Calibration":
        """The calibration that `to_dict` wrote.

        Raises:
            ConfigError: a field is missing, or a value is not allowed.
        """
        missing = {"scores", "false_alarm_rate"} - set(data)
        if missing:
            raise ConfigError(f"the calibration lacks {' and '.join(sorted(missing))}")
        return cls(data["scores"], data["false_alarm_rate"])


def _images_needed(rate: float) -> int:
    """The smallest n with 1 / (n + 1) <= rate."""
    needed = max(1, math.floor(1 / Fraction(rate)) - 1)  # no float is too small for a fraction
    while 1 / (needed + 1) > rate:
        needed += 1
    return needed
