"""What the station remembers: inspections, models and calibrations, in SQLite or PostgreSQL."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, Table, delete, func, literal, select, union_all, update
from sqlalchemy.dialects import postgresql, sqlite

from blemish.station.errors import NotFound
from blemish.station.records import (
    COMMAND_LINE,
    Author,
    CalibrationRecord,
    Filter,
    Inspection,
    Kind,
    ModelRecord,
    NewInspection,
    Point,
    Record,
    Verdict,
)
from blemish.station.schemas import Feedback
from blemish.station.storage.audit import note
from blemish.station.storage.conditions import conditions
from blemish.station.storage.database import Database
from blemish.station.storage.tables import calibrations, destinations, inspections, models

AT_ONCE = 500  # records in one question, where all are gone through
ADDING = 0x626C656D  # the lock of PostgreSQL's that is held while inspections are added

_columns = inspections.c
R = TypeVar("R", bound=Record)


class Store:
    """Everything that a station knows, in a `Database`, for any number of threads.

    What a method has written is on the disk when it returns. Each raises `errors.Unavailable` while the
    database cannot be used; as soon as it can, the next call works.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.close = self.database.close

    def add(self, new: Sequence[NewInspection]) -> list[Inspection]:
        """Keep inspections, all or none; where there is one with the same key, that is given instead.

        They come to be seen in the order of their numbers.
        """
        with self.database.transaction(writing=True) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(ADDING)))
            return [_add(connection, one) for one in new]

    def with_key(self, key: str) -> Inspection | None:
        return next(iter(self._records(Inspection, select(inspections).where(_columns.key == key))), None)

    def get(self, number: int) -> Inspection:
        """An inspection; NotFound where there is none of this number."""
        found = self.get_many([number])
        if not found:
            raise NotFound(f"There is no inspection {number}; it may have been deleted.")
        return found[0]

    def get_many(self, numbers: Sequence[int]) -> list[Inspection]:
        """The inspections of these numbers, in their order, but for those that are not there (any more)."""
        question = select(inspections).where(_columns.id.in_(numbers))
        found = {one.id: one for one in self._records(Inspection, question)}
        return [found[number] for number in numbers if number in found]

    def select(
        self, filter: Filter, *, limit: int, before: int | None = None, after: int | None = None
    ) -> list[Inspection]:
        """Inspections, newest first; with numbers below `before`, or above `after` and next to it."""
        question = select(inspections).where(*conditions(filter)).limit(limit)
        if before is not None:
            question = question.where(_columns.id < before)
        if after is None:
            return self._records(Inspection, question.order_by(_columns.id.desc()))
        return self._records(Inspection, question.where(_columns.id > after).order_by(_columns.id))[::-1]

    def every(self, filter: Filter) -> Iterator[Inspection]:
        """All inspections, newest first, asked for bit by bit."""
        before = None
        while found := self.select(filter, limit=AT_ONCE, before=before):
            yield from found
            before = found[-1].id

    def verdicts(self, recipe: str) -> dict[str, Verdict | None]:
        """What people said of each image file of a recipe, by its SHA-256; None for contradictions."""
        said: dict[str, Verdict | None] = {}
        for inspection in self.every(Filter(recipe=recipe, feedback="any")):
            if inspection.image is not None:
                same = said.setdefault(inspection.image, inspection.feedback) == inspection.feedback
                said[inspection.image] = inspection.feedback if same else None
        return said

    def count(self, filter: Filter) -> int:
        return self.tally(filter)[()]

    def set_feedback(self, number: int, said: Feedback, by: Author = COMMAND_LINE) -> Inspection:
        """Keep what a person says of an inspection; NotFound where there is none of this number."""
        changes = said.model_dump(exclude_unset=True)
        if "feedback" in changes:
            changes["feedback_at"] = datetime.now(UTC) if said.feedback else None
            changes["feedback_by"] = by.who if said.feedback else None
            changes |= {} if said.feedback == Verdict.DEFECT else {"defect_kind": ""}
        with self.database.transaction(writing=True) as connection:
            before = self.get(number)
            after = before.model_copy(update=changes)
            if changes:
                connection.execute(update(inspections).where(_columns.id == number).values(changes))
                what = f"inspection {number}"
                note(connection, by, Kind.JUDGEMENT, _said(before), _said(after), before.recipe, what)
        return after

    def points(self, filter: Filter, limit: int) -> list[Point]:
        """The latest scored inspections, oldest first."""
        question = (
            select(*(_columns[name] for name in Point.model_fields))
            .where(*conditions(filter), _columns.score.is_not(None))
            .order_by(_columns.id.desc())
            .limit(limit)
        )
        return self._records(Point, question)[::-1]

    def tally(self, filter: Filter, *fields: str) -> Counter[tuple[Any, ...]]:
        """How many inspections have the same values in these fields, by the values."""
        kinds = [_columns[name] for name in fields]
        of = select(func.count(), *kinds).select_from(inspections)
        question = of.where(*conditions(filter)).group_by(*kinds)
        with self.database.transaction() as connection:
            return Counter({tuple(kind): count for count, *kind in connection.execute(question)})

    def defect_kinds(self, recipe: str | None = None) -> list[str]:
        """What people called the defects, of a recipe or of all, the most frequent first."""
        named = self.tally(Filter(recipe=recipe, feedback="defect"), "defect_kind")
        return [kind for (kind,), _ in named.most_common() if kind]

    def add_model(self, fingerprint: str, name: str, description: dict[str, Any]) -> None:
        """Keep a model's description; one that is known stays as it is."""
        values = {"fingerprint": fingerprint, "name": name, "description": description}
        with self.database.transaction(writing=True) as connection:
            added = insert_into(connection, models).values(**values, first_used=datetime.now(UTC))
            connection.execute(added.on_conflict_do_nothing())

    def model(self, fingerprint: str) -> ModelRecord:
        """A model's description; NotFound where it never gave a verdict here."""
        found = self._records(ModelRecord, select(models).where(models.c.fingerprint == fingerprint))
        if not found:
            raise NotFound(f"There is no record of a model {fingerprint[:12]}.")
        return found[0]

    def add_calibration(
        self,
        recipe: str,
        model: str,
        scores: list[float],
        false_alarm_rate: float,
        origin: str,
        by: Author = COMMAND_LINE,
    ) -> CalibrationRecord:
        """Keep a calibration, which is then the latest of the model in this recipe."""
        before = self.calibration(recipe, model)
        values: dict[str, Any] = {"recipe": recipe, "model": model, "scores": scores, "origin": origin}
        values |= {"false_alarm_rate": false_alarm_rate, "made": datetime.now(UTC)}
        added = calibrations.insert().values(values).returning(calibrations)
        with self.database.transaction(writing=True) as connection:
            record = CalibrationRecord.model_validate(connection.execute(added).one()._asdict())
            note(connection, by, Kind.THRESHOLD, str(before or ""), str(record), recipe, model[:12])
        return record

    def calibration(self, recipe: str, model: str) -> CalibrationRecord | None:
        """The latest calibration of a model, given by its fingerprint, in a recipe."""
        return next(iter(self.calibrations(recipe, model, limit=1)), None)

    def calibrations(self, recipe: str, model: str, *, limit: int | None = None) -> list[CalibrationRecord]:
        """All calibrations of a model in a recipe, newest first."""
        of_model = (calibrations.c.recipe == recipe, calibrations.c.model == model)
        question = select(calibrations).where(*of_model).order_by(calibrations.c.id.desc())
        return self._records(CalibrationRecord, question.limit(limit))

    def calibration_numbered(self, number: int) -> CalibrationRecord | None:
        question = select(calibrations).where(calibrations.c.id == number)
        return next(iter(self._records(CalibrationRecord, question)), None)

    def adopt(self, recipe: str) -> int:
        """Give a recipe what was recorded before there were any; how many inspections these are."""
        key = literal(f"{recipe}/") + _columns.key
        with self.database.transaction(writing=True) as connection:
            nameless = calibrations.c.recipe == ""
            connection.execute(update(calibrations).where(nameless).values(recipe=recipe))
            adopted = update(inspections).where(_columns.recipe == "").values(recipe=recipe, key=key)
            return connection.execute(adopted).rowcount

    def expired(self, before: datetime | None, limit: int) -> list[Inspection]:
        """Inspections that nobody has judged, oldest first; if need be, those received `before`."""
        question = select(inspections).where(_columns.feedback.is_(None)).limit(limit)
        if before is not None:
            question = question.where(_columns.received < before)
        return self._records(Inspection, question.order_by(_columns.received, _columns.id))

    def delete(self, numbers: Sequence[int]) -> list[str]:
        """Delete inspections, but those judged meanwhile; the digests of files that none needs any more."""
        doomed = (_columns.id.in_(numbers), _columns.feedback.is_(None))
        both = (_columns.image, _columns.map)
        with self.database.transaction(writing=True) as connection:
            gone = connection.execute(delete(inspections).where(*doomed).returning(*both)).all()
            unneeded = {digest for row in gone for digest in row} - {None}
            for column in both:
                unneeded -= set(connection.execute(select(column).where(column.in_(unneeded))).scalars())
        return sorted(unneeded)

    def stored_bytes(self) -> int:
        """Bytes of all images and maps; what several inspections share counts once."""
        parts = ((_columns.image, _columns.image_bytes), (_columns.map, _columns.map_bytes))
        sizes = [
            select(func.max(size).label("size")).where(digest.is_not(None)).group_by(digest)
            for digest, size in parts
        ]
        question = select(func.coalesce(func.sum(union_all(*sizes).subquery().c.size), 0))
        with self.database.transaction() as connection:
            return int(connection.execute(question).scalar_one())

    def digests(self, prefix: str) -> set[str]:
        """Digests of all images and maps that begin with these hexadecimal digits."""
        columns = (_columns.image, _columns.map)
        both = [select(column).where(column >= prefix, column < prefix + "g") for column in columns]
        with self.database.transaction() as connection:
            return set(connection.execute(union_all(*both)).scalars())

    def _records(self, kind: type[R], question: Select[Any]) -> list[R]:
        with self.database.transaction() as connection:
            return [kind.model_validate(row._asdict()) for row in connection.execute(question)]


class Outbox:
    """The inspections after the position of one destination, by number; a new one begins after the newest.

    Every method raises Unavailable while the database cannot be used.
    """

    def __init__(self, store: Store, destination: str) -> None:
        self._store = store
        self._mine = destinations.c.name == destination
        newest = select(func.coalesce(func.max(inspections.c.id), 0)).scalar_subquery()
        with store.database.transaction(writing=True) as connection:
            new = insert_into(connection, destinations).values(name=destination, position=newest)
            connection.execute(new.on_conflict_do_nothing())
            self.position = connection.execute(select(destinations.c.position).where(self._mine)).scalar_one()

    def next(self, limit: int) -> list[Inspection]:
        """The first of those that wait."""
        return self._store.select(Filter(), limit=limit, after=self.position)[::-1]

    def taken(self, number: int) -> None:
        """Keep that the destination took the inspections up to this number."""
        with self._store.database.transaction(writing=True) as connection:
            connection.execute(update(destinations).where(self._mine).values(position=number))
        self.position = number

    def count(self, most: int | None = None) -> int:
        """How many wait; counting ends at `most`."""
        waiting = select(inspections.c.id).where(inspections.c.id > self.position).limit(most).subquery()
        question = select(func.count()).select_from(waiting)
        with self._store.database.transaction() as connection:
            return connection.execute(question).scalar_one()


def _said(inspection: Inspection) -> str:
    return ": ".join(part for part in (inspection.feedback, inspection.defect_kind, inspection.note) if part)


def insert_into(connection: Connection, table: Table) -> Any:
    """An INSERT that knows what to do about conflicts, which every dialect has of its own."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def _add(connection: Connection, new: NewInspection) -> Inspection:
    added = insert_into(connection, inspections).values(new.model_dump() | {"note": ""})
    row = connection.execute(added.on_conflict_do_nothing().returning(inspections)).one_or_none()
    if row is None:  # there is one of this key
        row = connection.execute(select(inspections).where(_columns.key == new.key)).one()
    return Inspection.model_validate(row._asdict())
