"""SQLite or PostgreSQL, whose troubles are told in a sentence and do not last longer than they must."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from blemish.errors import BlemishError
from blemish.station.problems import Unavailable
from blemish.station.storage.migrating import migrate
from blemish.station.storage.sqlite_file import PATIENCE, OpenFile

SQLITE = "sqlite:///"
POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")
DURABLE = (  # a commit is on the disk, whatever the server is set to
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
FORMS = "give sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
REMEDIES = {
    "locked": "end the other program that uses it",
    "lock timeout": "end the other program that uses it",
    "full": "make room on its disk",
    "readonly": "let this user write the file and its folder",
    "read-only": "let this user write there",
    "not a database": "put a good copy in its place",
    "malformed": "put a good copy in its place",
    "unable to open": "let this user read and write the file and its folder",
}


class Database:
    """Gives transactions, each on the very database that is there when it begins and when it ends.

    An SQLite file that is deleted or moved goes on working for whoever has it open, and all that is written
    is lost. So every transaction looks before and after its commit whether the file is still the one opened.
    It is never made again while the station runs, since its disk may only be unmounted; once a file is there
    again it is opened, and brought to the present tables.

    Args:
        url: sqlite:///FILE or postgresql://...; a missing SQLite file is made.

    Attributes:
        name: the URL without password and options.

    Raises:
        BlemishError: it cannot be opened, or holds something else.
    """

    def __init__(self, url: str) -> None:
        self._lock = Lock()
        self._file: OpenFile | None = None
        self._path: Path | None = None
        if url.startswith(SQLITE):
            self._path = _made(url)
            self.name = f"{SQLITE}{self._path}"
            with self._telling():
                self._current()
            return
        parsed = postgresql_url(url)
        self.name = parsed.set(query={}).render_as_string(hide_password=True)
        self._engine = postgresql_engine(parsed)
        with self._telling(), self._engine.begin() as connection:
            migrate(connection, self.name)

    @contextmanager
    def transaction(self, *, writing: bool = False) -> Iterator[Connection]:
        """A transaction, committed at the end of the block; after an error nothing of it is kept.

        Args:
            writing: take SQLite's write lock at once, so that it never has to be waited for in the middle.

        Raises:
            Unavailable: the database is locked, full, gone... or the file was moved meanwhile.
        """
        with self._telling():
            engine, file = self._current()
            with engine.connect().execution_options(writing=writing) as connection:
                with connection.begin():
                    yield connection
                    self._expect(file)
                self._expect(file)

    def check(self) -> None:
        """Look whether the database can be read and written now.

        Raises:
            Unavailable: it cannot; says why.
        """
        with suppress(_Undo), self.transaction(writing=True) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = version_num"))
            raise _Undo
        with self._telling(), self._lock:
            if self._file is not None:
                self._file.read_afresh()

    def close(self) -> None:
        """Give the connections back."""
        if self._path is None:
            self._engine.dispose()
        self._close_file()

    def _close_file(self) -> None:
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _current(self) -> "tuple[Engine, OpenFile | None]":
        if self._path is None:
            return self._engine, None
        with self._lock:
            if self._file is None or not self._file.is_at(self._path):
                self._open_again(self._path)
            assert self._file is not None
            return self._file.engine, self._file

    def _open_again(self, path: Path) -> None:
        if self._file is not None:
            self._file.write_back()  # so that it is whole wherever it is now
        if not path.is_file():
            raise Unavailable(
                f"The database file {path} is gone; put it back, or make an empty file there to begin anew."
            )
        if self._file is not None:
            self._file.abandon()
            self._file = None
        self._file = OpenFile(path, self.name)

    def _expect(self, file: "OpenFile | None") -> None:
        if file is not None and self._path is not None and not file.is_at(self._path):
            raise Unavailable(
                f"The database file {self._path} was moved or replaced while it was in use; "
                "put it back if that was a mistake, and try again."
            )

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            cause = getattr(error, "orig", None) or error
            if type(cause) is sqlite3.DatabaseError:  # no database, or a damaged one: begin afresh
                self._close_file()
            reason = str(cause).strip().splitlines()[0]
            remedy = next(
                (what for sign, what in REMEDIES.items() if sign in reason),
                "see to it that it can be reached; the station goes on by itself",
            )
            raise Unavailable(f"The database {self.name} cannot be used ({reason}); {remedy}.") from error


class _Undo(Exception):
    """Roll back what was only tried."""


def sqlite_path(url: str) -> Path:
    """The file that a URL names, literally: also with signs in it that have a meaning in other URLs.

    Raises:
        BlemishError: it names none.
    """
    name = url.removeprefix(SQLITE)
    if name in ("", ":memory:"):
        raise BlemishError(f"The database {url} keeps nothing; {FORMS}.")
    return Path(name).absolute()


def _made(url: str) -> Path:
    path = sqlite_path(url)
    try:
        path.touch()
    except OSError as error:
        raise BlemishError(
            f"The database file {path} cannot be written ({error.strerror}); mend that, or name another."
        ) from error
    return path


def postgresql_url(url: str) -> URL:
    """The URL for the driver that is used.

    Raises:
        BlemishError: it cannot be read, or is another database's.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise BlemishError(f"The database URL cannot be read; {FORMS}.") from error
    if parsed.drivername not in POSTGRESQL:
        raise BlemishError(f"A station cannot use a database of kind {parsed.drivername}; {FORMS}.")
    return parsed.set(drivername=POSTGRESQL[-1])


def postgresql_engine(url: URL) -> Engine:
    """Connections that give up in time and commit to the disk; none is made yet.

    Raises:
        BlemishError: the driver is not installed.
    """
    try:
        engine = create_engine(
            url,
            connect_args={"connect_timeout": int(PATIENCE), "tcp_user_timeout": int(2000 * PATIENCE)},
            pool_pre_ping=True,
            pool_timeout=PATIENCE,
            hide_parameters=True,
        )
    except ImportError as error:
        raise BlemishError('PostgreSQL needs psycopg: pip install "blemish[serve-postgres]".') from error

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        connection.execute(f"SET lock_timeout = {int(1000 * PATIENCE)}")
        connection.execute(DURABLE)
        connection.commit()

    return engine
