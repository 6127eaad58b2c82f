"""SQLite or PostgreSQL: transactions that are on the disk when they end, and troubles in a sentence."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from blemish.errors import BlemishError, explained, reason_of
from blemish.extras import install_command
from blemish.station.errors import MEND, REPLACED, Unavailable
from blemish.station.storage.migrations import migrate

PATIENCE = 5.0  # seconds: for a lock, for a connection
POOL: dict[str, Any] = {  # a connection for each thread that may serve a request
    "poolclass": QueuePool,
    "max_overflow": 60,
    "pool_timeout": PATIENCE,
    "hide_parameters": True,
}
SQLITE = "sqlite:///"
POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")
DURABLE = (  # a commit is on the disk, whatever the server is set to
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
FORMS = "give sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"


class Database:
    """Transactions on the very database that was opened: sqlite:///FILE, made if need be, or postgresql://...

    An SQLite file that is deleted or moved goes on working for whoever has it open, and all that is written
    is lost: so every transaction looks before and after its commit whether the file is still the one opened.
    Older tables are brought up to date. BlemishError: it cannot be opened, is newer, or holds something else.
    `name` is the URL without password and options.
    """

    def __init__(self, url: str) -> None:
        self._path = _sqlite_path(url) if url.startswith(SQLITE) else None
        if self._path is not None:
            self.name = f"{SQLITE}{self._path}"
            self._opened = self._path.stat()
            self._engine = _sqlite_engine(self._path)
        else:
            self._engine = _postgresql_engine(url)
            self.name = self._engine.url.set(query={}).render_as_string(hide_password=True)
        try:
            with self.transaction(writing=True) as connection:
                migrate(connection, self.name)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self, *, writing: bool = False) -> Iterator[Connection]:
        """A transaction, committed at the end of the block; after an error nothing of it is kept.

        `writing` takes SQLite's write lock at once, so that it never has to be waited for in the middle.
        Unavailable: the database is locked, full, gone... or the file was moved meanwhile.
        """
        with self._telling():
            self._look_at_file()
            with self._engine.connect().execution_options(writing=writing) as connection:
                with connection.begin():
                    yield connection
                    self._look_at_file()
                self._look_at_file()

    def check(self) -> None:
        """Raise Unavailable unless the database can be read and written now."""
        with self.transaction(writing=True) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
            connection.rollback()
        if self._path is not None:  # connections of the pool may go on with what they have in memory
            with self._telling(), closing(_connect(self._path)) as fresh:
                fresh.execute("SELECT max(id) FROM inspections").fetchall()

    def close(self) -> None:
        self._engine.dispose()

    def _look_at_file(self) -> None:
        if self._path is None:
            return
        try:
            found = self._path.stat()
        except FileNotFoundError:
            raise Unavailable(f"The database file {self._path} is gone; put it back.") from None
        if not os.path.samestat(found, self._opened):
            raise Unavailable(f"The database file {self._path} {REPLACED}")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            reason = reason_of(getattr(error, "orig", None) or error)
            raise Unavailable(f"The database {self.name} cannot be used ({reason}); {MEND}") from error


def _sqlite_path(url: str) -> Path:
    """The file that a URL names, whatever signs are in it; made if need be."""
    name = url.removeprefix(SQLITE)
    if name in ("", ":memory:"):
        raise BlemishError(f"The database {url} keeps nothing; {FORMS}.")
    path = Path(name).absolute()
    what = f"The database file {path} cannot be written"
    with explained(BlemishError, lambda why: f"{what} ({why}); mend that, or name another.", OSError):
        path.touch()
    return path


def _postgresql_engine(url: str) -> Engine:
    """Connections that give up in time and commit to the disk; none is made yet."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise BlemishError(f"The database URL cannot be read; {FORMS}.") from error
    if parsed.drivername not in POSTGRESQL:
        raise BlemishError(f"A station cannot use a database of kind {parsed.drivername}; {FORMS}.")
    try:
        engine = create_engine(
            parsed.set(drivername=POSTGRESQL[-1]),
            connect_args={"connect_timeout": int(PATIENCE), "tcp_user_timeout": int(2000 * PATIENCE)},
            pool_pre_ping=True,
            **POOL,
        )
    except ImportError as error:
        raise BlemishError(f"PostgreSQL needs psycopg: {install_command('serve-postgres')}.") from error

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        connection.execute(f"SET lock_timeout = {int(1000 * PATIENCE)}")
        connection.execute(DURABLE)
        connection.commit()

    return engine


def _sqlite_engine(path: Path) -> Engine:
    engine = create_engine("sqlite://", creator=lambda: _connect(path), **POOL)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(bytes(path))}?mode=rw",  # never makes the file
        uri=True,
        timeout=PATIENCE,
        isolation_level=None,  # transactions begin where the engine says so
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # a commit is on the disk
        connection.create_function("lower", 1, str.lower, deterministic=True)  # SQLite's own knows ASCII only
    except BaseException:
        connection.close()
        raise
    return connection
