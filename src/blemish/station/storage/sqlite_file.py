"""An SQLite file while it is open: its connections, and which file it is."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from blemish.station.storage.migrating import migrate

PATIENCE = 5.0  # seconds: for a lock, for a place among the connections


class OpenFile:
    """A file with the present tables.

    Args:
        path: an SQLite file, or an empty one.
        name: what messages call it.

    Attributes:
        engine: whose transactions take the write lock at once with the execution option `writing`.

    Raises:
        Unavailable: it holds something else.
        SQLAlchemyError, sqlite3.Error: it cannot be opened.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self.engine = _engine(path)
        self._identity = _identity(path)
        self._anchor = _connect(path)  # reaches the file wherever it is moved
        try:
            with self.engine.connect().execution_options(writing=True) as connection, connection.begin():
                migrate(connection, name)
            self._anchor.execute("SELECT * FROM alembic_version").fetchall()  # which opens the log, too
        except BaseException:
            self.close()
            raise
        logs = (path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))
        self._logs = {log: _identity(log) for log in logs}

    def is_at(self, path: Path) -> bool:
        """Whether the file that is open is the one that the path leads to, and not emptied."""
        return _identity(path) == self._identity and path.stat().st_size > 0

    def read_afresh(self) -> None:
        """Read from the file itself; connections that are open may go on with what they have in memory."""
        with closing(_connect(self._path)) as connection:
            connection.execute("SELECT max(id) FROM inspections").fetchall()

    def write_back(self) -> None:
        """Move what is committed from the log beside the file into the file."""
        with suppress(sqlite3.Error):
            self._anchor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()
        self._anchor.close()

    def abandon(self) -> None:
        """Close a file that was moved, and put its log aside, which SQLite would take for the new file's."""
        self.close()
        for log, identity in self._logs.items():
            if identity is not None and _identity(log) == identity:
                log.replace(f"{log}.old")


def _engine(path: Path) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=lambda: _connect(path),
        poolclass=QueuePool,
        pool_timeout=PATIENCE,
        hide_parameters=True,
    )

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


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file, or None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
