"""From whatever revision a database has to the one that this version of Blemish works with."""

from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from blemish.station.problems import Unavailable

_SCRIPTS = Path(__file__).parent / "migrations"
_lock = Lock()  # Alembic keeps the upgrade that runs in a global variable


def revision(connection: Connection, name: str) -> str | None:
    """The revision of a database's tables, or None for an empty one.

    Args:
        connection: may read.
        name: what messages call the database.

    Raises:
        Unavailable: it comes from a newer version, or holds something else.
    """
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in known:
        raise Unavailable(
            f"The database {name} has revision {present}, which this version of Blemish does not know; "
            "install the version that made it or a later one, or name another database."
        )
    if present is None and (tables := inspect(connection).get_table_names()):
        raise Unavailable(
            f"The database {name} holds something else (a table {tables[0]}); name an empty one."
        )
    return present


def migrate(connection: Connection, name: str) -> None:
    """Bring a database to the present tables, in the connection's transaction.

    Args:
        connection: may write; the caller commits.
        name: what messages call the database.

    Raises:
        Unavailable: it comes from a newer version, or holds something else.
    """
    config = _config()
    if revision(connection, name) == ScriptDirectory.from_config(config).get_current_head():
        return
    config.attributes["connection"] = connection
    with _lock:
        command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
