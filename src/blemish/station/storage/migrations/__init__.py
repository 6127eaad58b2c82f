"""From whatever revision the station's database has to the tables that this version works with."""

from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from blemish.station.errors import Unavailable
from blemish.station.storage.tables import metadata

SCRIPTS = Path(__file__).parent
_lock = Lock()  # Alembic keeps the upgrade that runs in a global variable


def migrate(connection: Connection, name: str) -> None:
    """Make the tables, or bring them up to date, in the connection's transaction, which may write.

    Raises:
        Unavailable: it comes from another version, or holds something else.
    """
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in [script.revision for script in scripts.walk_revisions()]:
        raise Unavailable(
            f"The database {name} has revision {present}, which this version of Blemish does not know; "
            "install the version that made it or a later one, or name another database."
        )
    if present is None and (tables := inspect(connection).get_table_names()):
        raise Unavailable(
            f"The database {name} holds something else (a table {tables[0]}); name an empty one."
        )
    with _lock:
        if present is None:
            metadata.create_all(connection)
            command.stamp(config, "head")
        elif present != scripts.get_current_head():
            command.upgrade(config, "head")
