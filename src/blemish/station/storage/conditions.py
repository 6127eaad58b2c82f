"""What a row of the inspections must meet to be one of a filter's."""

from collections.abc import Callable
from functools import partial
from operator import eq, ge, le, lt
from typing import Any

from sqlalchemy import ColumnElement, or_

from blemish.inference.rules import LOOK_AGAIN
from blemish.station.records import Filter
from blemish.station.storage.tables import inspections

FINGERPRINT = 64  # digits

_columns = inspections.c

Condition = Callable[[Any], ColumnElement[bool]]
EQUAL = ("recipe", "defect_kind", "source", "lot", "serial", "image")
CONDITIONS: dict[str, Condition] = {name: partial(eq, _columns[name]) for name in EQUAL} | {
    "other_part": partial(eq, _columns.is_other_part),
    "anomalous": partial(eq, _columns.is_anomalous),
    "since": partial(ge, _columns.received),
    "look_again": lambda value: (
        _columns.verdict == LOOK_AGAIN if value else _columns.verdict.is_distinct_from(LOOK_AGAIN)
    ),
    "failed": lambda value: _columns.score.is_(None) if value else _columns.score.is_not(None),
    "feedback": lambda value: {
        "any": _columns.feedback.is_not(None),
        "none": _columns.feedback.is_(None),
    }.get(value, _columns.feedback == value),
    "model": lambda value: (
        _columns.model == value if len(value) == FINGERPRINT else _columns.model.startswith(value)
    ),
    "until": partial(lt, _columns.received),
    "min_score": partial(ge, _columns.score),
    "max_score": partial(le, _columns.score),
    "text": lambda value: or_(
        *(text.icontains(value, autoescape=True) for text in (_columns.name, _columns.note))
    ),
}


def conditions(filter: Filter) -> list[ColumnElement[bool]]:
    """One for each field that narrows."""
    return [CONDITIONS[name](value) for name, value in filter if name in CONDITIONS and value is not None]
