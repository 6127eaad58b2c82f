"""What an inspection must meet to be one of a filter's, as SQL."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, or_

from blemish.inference.rules import LOOK_AGAIN
from blemish.station.records import Filter
from blemish.station.storage.tables import inspections

FINGERPRINT = 64  # digits

_columns = inspections.c

CONDITIONS: dict[str, Callable[[Any], ColumnElement[bool]]] = {  # by the fields of a filter
    "recipe": lambda value: _columns.recipe == value,
    "other_part": lambda value: (
        _columns.is_other_part.is_(True) if value else _columns.is_other_part.is_not(True)
    ),
    "anomalous": lambda value: _columns.is_anomalous == value,
    "look_again": lambda value: (
        _columns.verdict == LOOK_AGAIN if value else _columns.verdict.is_distinct_from(LOOK_AGAIN)
    ),
    "failed": lambda value: _columns.score.is_(None) if value else _columns.score.is_not(None),
    "feedback": lambda value: {
        "any": _columns.feedback.is_not(None),
        "none": _columns.feedback.is_(None),
    }.get(value, _columns.feedback == value),
    "source": lambda value: _columns.source == value,
    "model": lambda value: (
        _columns.model == value if len(value) == FINGERPRINT else _columns.model.startswith(value)
    ),
    "image": lambda value: _columns.image == value,
    "since": lambda value: _columns.received >= value,
    "until": lambda value: _columns.received < value,
    "min_score": lambda value: _columns.score >= value,
    "max_score": lambda value: _columns.score <= value,
    "text": lambda value: or_(
        *(text.icontains(value, autoescape=True) for text in (_columns.name, _columns.note))
    ),
}


def conditions(filter: Filter) -> list[ColumnElement[bool]]:
    """What a row must meet to be one of the filter's."""
    return [CONDITIONS[name](value) for name, value in filter if name in CONDITIONS and value is not None]
