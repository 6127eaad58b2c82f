"""Inspections and calibrations are of a recipe; of older ones it is empty until `Store.adopt` names it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for table in ("inspections", "calibrations"):
        op.add_column(table, sa.Column("recipe", sa.Text, nullable=False, server_default=""))
    op.create_index("ix_inspections_recipe", "inspections", ["recipe", "id"])
