"""Between records and rows of the database."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from blemish.station.problems import NotFound
from blemish.station.records import LARGEST_NUMBER, Filter, Inspection, NewInspection
from blemish.station.storage.tables import inspections

FINGERPRINT = 64  # digits
AT_ONCE = 500  # values in one question

_columns = inspections.c


def conditions(filter: Filter) -> list[ColumnElement[bool]]:
    """What a row must meet to be one of the filter's."""
    exact = {"is_anomalous": filter.anomalous, "source": filter.source, "image": filter.image}
    wanted = [_columns[name] == value for name, value in exact.items() if value is not None]
    if filter.failed is not None:
        wanted.append(_columns.score.is_(None) if filter.failed else _columns.score.is_not(None))
    if filter.feedback in ("any", "none"):
        judged = filter.feedback == "any"
        wanted.append(_columns.feedback.is_not(None) if judged else _columns.feedback.is_(None))
    elif filter.feedback is not None:
        wanted.append(_columns.feedback == filter.feedback)
    if filter.model is not None:
        whole = len(filter.model) == FINGERPRINT
        first = _columns.model if whole else func.substr(_columns.model, 1, len(filter.model))
        wanted.append(first == filter.model)
    if filter.since is not None:
        wanted.append(_columns.received >= filter.since)
    if filter.until is not None:
        wanted.append(_columns.received < filter.until)
    if filter.min_score is not None:
        wanted.append(_columns.score >= filter.min_score)
    if filter.max_score is not None:
        wanted.append(_columns.score <= filter.max_score)
    if filter.text is not None:
        part = filter.text.lower()
        texts = (func.lower(_columns.name), func.lower(_columns.note))
        wanted.append(or_(*(text.contains(part, autoescape=True) for text in texts)))
    return wanted


def in_range(number: int) -> int:
    """The nearest number that a database takes, to compare with."""
    return max(-LARGEST_NUMBER, min(number, LARGEST_NUMBER))


def inspection(row: Row[Any]) -> Inspection:
    """The record of a row of `inspections`."""
    return Inspection.model_validate(row._asdict())


def get(connection: Connection, number: int) -> Inspection:
    """The inspection of this number.

    Raises:
        NotFound: there is none.
    """
    question = select(inspections).where(_columns.id == in_range(number))
    row = connection.execute(question).one_or_none()
    if row is None:
        raise NotFound(f"There is no inspection {number}; it may have been deleted.")
    return inspection(row)


def add(connection: Connection, new: Sequence[NewInspection]) -> list[Inspection]:
    """Add inspections; where there is one with the same key already, that one is given instead."""
    known: dict[str | None, int] = {}
    for some in chunks([item.key for item in new if item.key is not None]):
        question = select(_columns.key, _columns.id).where(_columns.key.in_(some))
        known |= {row.key: row.id for row in connection.execute(question)}
    numbers = []
    for item in new:
        number = known.get(item.key) or _add_one(connection, item)
        if item.key is not None:
            known[item.key] = number
        numbers.append(number)
    added: dict[int, Inspection] = {}
    for some in chunks(numbers):
        rows = connection.execute(select(inspections).where(_columns.id.in_(some)))
        added |= {row.id: inspection(row) for row in rows}
    return [added[number] for number in numbers]


def insert_row(connection: Connection, table: Table, values: dict[str, Any]) -> int:
    """Insert a row.

    Returns:
        Its number.
    """
    key = connection.execute(insert(table).values(values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The values, as many at once as go into a question."""
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))


def _add_one(connection: Connection, item: NewInspection) -> int:
    values = item.model_dump() | {"note": ""}
    if item.key is None:
        return insert_row(connection, inspections, values)
    try:
        with connection.begin_nested():
            return insert_row(connection, inspections, values)
    except IntegrityError:  # another program added the same key since we looked
        return connection.execute(select(_columns.id).where(_columns.key == item.key)).scalar_one()
