"""The audit trail: who changed what, when, from what to what, and why. Lines are added and never changed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from operator import eq, ge, lt

from sqlalchemy import Connection, select

from blemish.station.records import AuditEntry, Author, Kind
from blemish.station.schemas import AuditQuery
from blemish.station.storage.database import Database
from blemish.station.storage.tables import audit

AT_ONCE = 200  # lines in one question


def note(
    connection: Connection,
    by: Author,
    kind: Kind,
    before: str,
    after: str,
    recipe: str = "",
    subject: str = "",
) -> None:
    """Add a line in the transaction of the change itself; none where nothing changes."""
    if before != after:
        line = {"recipe": recipe, "kind": kind, "subject": subject, "before": before, "after": after}
        by_whom = {"at": datetime.now(UTC), "who": by.who, "why": by.why}
        connection.execute(audit.insert().values(line | by_whom))


@contextmanager
def noted(database: Database, by: Author, kind: Kind, before: str, after: str, recipe: str) -> Iterator[None]:
    """Adds a line for what the block changes outside the database; none where the block fails."""
    with database.transaction(writing=True) as connection:
        note(connection, by, kind, before, after, recipe)
        yield


def entries(
    database: Database, query: AuditQuery, *, kinds: Iterable[Kind] = Kind, limit: int | None = None
) -> list[AuditEntry]:
    """The newest lines, newest first."""
    newest = select(audit).order_by(audit.c.id.desc()).limit(limit or AT_ONCE)
    asked = newest.where(audit.c.kind.in_([*kinds]))
    for column, compare, value in (
        (audit.c.recipe, eq, query.recipe),
        (audit.c.kind, eq, query.kind),
        (audit.c.who, eq, query.who),
        (audit.c.at, ge, query.since),
        (audit.c.at, lt, query.until),
        (audit.c.id, lt, query.before),
    ):
        if value is not None:
            asked = asked.where(compare(column, value))
    with database.transaction() as connection:
        return [AuditEntry.model_validate(row._asdict()) for row in connection.execute(asked)]


def every_entry(database: Database, query: AuditQuery) -> Iterator[AuditEntry]:
    """All lines, newest first, asked for bit by bit."""
    while found := entries(database, query):
        yield from found
        query = query.model_copy(update={"before": found[-1].id})
