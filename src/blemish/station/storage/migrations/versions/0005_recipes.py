"""Inspections and calibrations are of a recipe, and what is in force of each is told by events.

Of older ones the recipe is empty until `Store.adopt` names it.
"""

import sqlalchemy as sa
from alembic import op

from blemish.station.storage.tables import NUMBER, TIME

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for table in ("inspections", "calibrations"):
        op.add_column(table, sa.Column("recipe", sa.Text, nullable=False, server_default=""))
    op.create_index("ix_inspections_recipe", "inspections", ["recipe", "id"])
    op.create_table(
        "events",
        sa.Column("id", NUMBER, primary_key=True),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("in_force", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_recipe", "events", ["recipe", "id"])
