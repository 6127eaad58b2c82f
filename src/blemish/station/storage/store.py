"""What the station remembers: inspections, models and calibrations, in SQLite or PostgreSQL."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from threading import Semaphore
from typing import TypedDict, Unpack

from sqlalchemy import ColumnElement, delete, func, insert, select, union_all, update
from sqlalchemy.exc import IntegrityError

from blemish.station.problems import NotFound
from blemish.station.records import (
    CalibrationRecord,
    Filter,
    Inspection,
    ModelRecord,
    NewInspection,
    Point,
    Verdict,
)
from blemish.station.storage import rows
from blemish.station.storage.database import Database
from blemish.station.storage.tables import calibrations, inspections, models

_columns = inspections.c


class Said(TypedDict, total=False):
    """What a person says of an inspection."""

    feedback: Verdict | None
    note: str


class Store:
    """Everything that a station knows, for any number of threads.

    What a method has written is on the disk when it returns. Each raises `problems.Unavailable` while the
    database cannot be used; as soon as it can, the next call works.

    Args:
        url: sqlite:///FILE, made if need be, or postgresql://USER:PASSWORD@HOST/NAME; brought to the present
            tables.

    Attributes:
        name: the URL without password and options.

    Raises:
        BlemishError: the database cannot be opened, comes from a newer version, or holds something else.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self._lists = Semaphore(max(2, os.cpu_count() or 1))  # the rest of the connections is for inspecting
        self.name = self._database.name

    def add(self, new: Sequence[NewInspection]) -> list[Inspection]:
        """Keep inspections, all or none.

        Returns:
            The inspections in their order; the earlier one where there is one with the same key already.
        """
        with self._database.transaction(writing=True) as connection:
            return rows.add(connection, new)

    def with_key(self, key: str) -> Inspection | None:
        """The inspection that came with this key, if there is one."""
        with self._database.transaction() as connection:
            row = connection.execute(select(inspections).where(_columns.key == key)).one_or_none()
        return None if row is None else rows.inspection(row)

    def get(self, number: int) -> Inspection:
        """An inspection.

        Raises:
            NotFound: there is none of this number.
        """
        with self._database.transaction() as connection:
            return rows.get(connection, number)

    def select(
        self, filter: Filter, *, limit: int, before: int | None = None, after: int | None = None
    ) -> list[Inspection]:
        """Inspections, newest first.

        Args:
            filter: which.
            limit: how many at most.
            before: only those with smaller numbers.
            after: only those with larger numbers; where there are more than `limit`, the ones next to it.
        """
        wanted = rows.conditions(filter)
        if before is not None:
            wanted.append(_columns.id < rows.in_range(before))
        if after is not None:
            wanted.append(_columns.id > rows.in_range(after))
        order = _columns.id.desc() if after is None else _columns.id
        question = select(inspections).where(*wanted).order_by(order).limit(limit)
        with self._lists, self._database.transaction() as connection:
            found = [rows.inspection(row) for row in connection.execute(question)]
        return found if after is None else found[::-1]

    def count(self, filter: Filter) -> int:
        """How many inspections there are."""
        question = select(func.count()).select_from(inspections).where(*rows.conditions(filter))
        with self._lists, self._database.transaction() as connection:
            return connection.execute(question).scalar_one()

    def set_feedback(self, number: int, **said: Unpack[Said]) -> Inspection:
        """Keep what a person says of an inspection, in place of what was said before.

        Args:
            number: of the inspection.
            said: `feedback`, a verdict or None to take it back, and `note`; what is left out stays.

        Raises:
            NotFound: there is none of this number.
        """
        changes: dict[str, object] = dict(said)
        if "feedback" in said:
            changes["feedback_at"] = datetime.now(UTC) if said["feedback"] else None
        with self._database.transaction(writing=True) as connection:
            if changes:
                this = _columns.id == rows.in_range(number)
                connection.execute(update(inspections).where(this).values(changes))
            return rows.get(connection, number)

    def points(self, filter: Filter, limit: int) -> list[Point]:
        """The latest scored inspections, oldest first."""
        question = (
            select(*(_columns[name] for name in Point.model_fields))
            .where(*rows.conditions(filter), _columns.score.is_not(None))
            .order_by(_columns.id.desc())
            .limit(limit)
        )
        with self._lists, self._database.transaction() as connection:
            found = [Point.model_validate(row._asdict()) for row in connection.execute(question)]
        return found[::-1]

    def tally(self, model: str) -> Counter[tuple[bool, Verdict | None]]:
        """Scored inspections of a model, counted by verdict (anomalous or not) and by what people said.

        Args:
            model: its whole fingerprint.
        """
        kinds = (_columns.is_anomalous, _columns.feedback)
        question = select(*kinds, func.count()).where(_columns.model == model, _columns.score.is_not(None))
        with self._lists, self._database.transaction() as connection:
            found = connection.execute(question.group_by(*kinds))
            return Counter({(row[0], row[1] and Verdict(row[1])): row[2] for row in found})

    def add_model(self, record: ModelRecord) -> None:
        """Keep a model's description; one that is known stays as it is."""
        with self._database.transaction(writing=True) as connection:
            known = select(models.c.name).where(models.c.fingerprint == record.fingerprint)
            if connection.execute(known).first() is None:
                with suppress(IntegrityError), connection.begin_nested():  # others may have been quicker
                    connection.execute(insert(models).values(record.model_dump()))

    def model(self, fingerprint: str) -> ModelRecord:
        """A model's description.

        Raises:
            NotFound: it never gave a verdict here.
        """
        question = select(models).where(models.c.fingerprint == fingerprint)
        with self._database.transaction() as connection:
            row = connection.execute(question).one_or_none()
        if row is None:
            raise NotFound(f"There is no record of a model {fingerprint[:12]}.")
        return ModelRecord.model_validate(row._asdict())

    def add_calibration(
        self, model: str, scores: list[float], false_alarm_rate: float, origin: str
    ) -> CalibrationRecord:
        """Keep a calibration, which is then the model's latest."""
        values = {
            "model": model,
            "made": datetime.now(UTC),
            "scores": scores,
            "false_alarm_rate": false_alarm_rate,
            "origin": origin,
        }
        with self._database.transaction(writing=True) as connection:
            number = rows.insert_row(connection, calibrations, values)
        return CalibrationRecord.model_validate(values | {"id": number})

    def calibration(self, model: str) -> CalibrationRecord | None:
        """The latest calibration of a model, given by its fingerprint."""
        return next(iter(self._calibrations(model, 1)), None)

    def calibrations(self, model: str) -> list[CalibrationRecord]:
        """All calibrations of a model, newest first."""
        return self._calibrations(model, None)

    def expired(self, before: datetime | None, limit: int) -> list[Inspection]:
        """Inspections that nobody has judged, oldest first.

        Args:
            before: only those received before; None takes any.
            limit: how many at most.
        """
        wanted: list[ColumnElement[bool]] = [_columns.feedback.is_(None)]
        if before is not None:
            wanted.append(_columns.received < before)
        order = (_columns.received, _columns.id)
        question = select(inspections).where(*wanted).order_by(*order).limit(limit)
        with self._database.transaction() as connection:
            return [rows.inspection(row) for row in connection.execute(question)]

    def delete(self, numbers: Sequence[int]) -> list[str]:
        """Delete inspections, all or none; those that somebody has judged meanwhile stay.

        Returns:
            The digests of images and maps that no inspection needs any more.
        """
        unneeded: set[str] = set()
        with self._database.transaction(writing=True) as connection:
            for some in rows.chunks(numbers):
                doomed = (_columns.id.in_(some), _columns.feedback.is_(None))
                for row in connection.execute(select(_columns.image, _columns.map).where(*doomed)):
                    unneeded |= {row.image, row.map} - {None}
                connection.execute(delete(inspections).where(*doomed))
            for some in rows.chunks(list(unneeded)):
                for column in (_columns.image, _columns.map):
                    unneeded -= set(connection.execute(select(column).where(column.in_(some))).scalars())
        return sorted(unneeded)

    def stored_bytes(self) -> int:
        """Bytes of all images and maps; what several inspections share counts once."""
        parts = ((_columns.image, _columns.image_bytes), (_columns.map, _columns.map_bytes))
        sizes = [
            select(func.max(size).label("size")).where(digest.is_not(None)).group_by(digest)
            for digest, size in parts
        ]
        question = select(func.coalesce(func.sum(union_all(*sizes).subquery().c.size), 0))
        with self._database.transaction() as connection:
            return int(connection.execute(question).scalar_one())

    def digests(self, prefix: str) -> set[str]:
        """Digests of all images and maps that begin with these hexadecimal digits."""
        with self._database.transaction() as connection:
            return {
                digest
                for column in (_columns.image, _columns.map)
                for digest in connection.execute(
                    select(column).where(column >= prefix, column < prefix + "g")
                ).scalars()
            }

    def check(self) -> None:
        """Look whether the database can be read and written now.

        Raises:
            Unavailable: it cannot; says why.
        """
        self._database.check()

    def close(self) -> None:
        """Give the database's connections back."""
        self._database.close()

    def _calibrations(self, model: str, limit: int | None) -> list[CalibrationRecord]:
        of_model = select(calibrations).where(calibrations.c.model == model)
        with self._database.transaction() as connection:
            found = connection.execute(of_model.order_by(calibrations.c.id.desc()).limit(limit))
            return [CalibrationRecord.model_validate(row._asdict()) for row in found]
