"""Which inspections a page shows: the gallery's form, to and from the query of an address."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from blemish.station.problems import Unusable
from blemish.station.records import MAX_NAME, Filter, Source

VERDICTS: dict[str, dict[str, bool]] = {
    "": {},
    "good": {"anomalous": False},
    "anomalous": {"anomalous": True},
    "failed": {"failed": True},
}
JUDGED = ("", "none", "any", "good", "defect")


@dataclass(frozen=True)
class Selection:
    """The form's fields as they were typed; an empty one does not narrow.

    Attributes:
        verdict: "good", "anomalous", or "failed" for images without a score.
        judged: "none", "any", "good" or "defect": what a person said.
        source: a value of `Source`.
        since, until: ISO times; without an offset they are in the station's time zone.
        least, most: scores, both included.
        text: part of the name or the note.
        model: a fingerprint or its first digits.
    """

    verdict: str = ""
    judged: str = ""
    source: str = ""
    since: str = ""
    until: str = ""
    least: str = ""
    most: str = ""
    text: str = ""
    model: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Selection":
        """The fields that stand in a query; others are passed over."""
        named = {field.name: query.get(field.name, "").strip() for field in fields(cls)}
        return cls(**{name: value[:MAX_NAME] for name, value in named.items()})

    @property
    def query(self) -> str:
        """The fields that narrow, as part of an address: "verdict=anomalous&judged=none"."""
        return urlencode({name: value for name, value in asdict(self).items() if value})

    @property
    def filter(self) -> Filter:
        """The same for the store.

        Raises:
            Unusable: a field has a value that it cannot have.
        """
        _one_of("verdict", self.verdict, VERDICTS)
        _one_of("judged", self.judged, JUDGED)
        _one_of("source", self.source, ("", *Source))
        wanted: dict[str, Any] = {
            **VERDICTS[self.verdict],
            "feedback": self.judged,
            "source": self.source,
            "since": _time("since", self.since),
            "until": _time("until", self.until),
            "min_score": _number("score from", self.least),
            "max_score": _number("score to", self.most),
            "text": self.text,
            "model": self.model,
        }
        try:
            return Filter(**{name: value for name, value in wanted.items() if value not in ("", None)})
        except ValidationError as error:
            raise Unusable(f"model is a fingerprint or its first digits, not {self.model!r}.") from error


def _one_of(name: str, value: str, allowed: Any) -> None:
    if value not in allowed:
        raise Unusable(f"{name} is one of {', '.join(filter(None, allowed))}, not {value!r}; choose one.")


def _time(name: str, value: str) -> datetime | None:
    if not value:
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Unusable(f"{name} is a date and time such as 2026-03-31T14:00, not {value!r}.") from error


def _number(name: str, value: str) -> float | None:
    if not value:
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Unusable(f"{name} is a number, not {value!r}.")
    return number
