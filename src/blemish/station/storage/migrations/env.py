"""Alembic runs this for every upgrade; the connection and its transaction are the caller's."""

from alembic import context

from blemish.station.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
