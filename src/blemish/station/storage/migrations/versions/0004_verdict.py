"""Inspections say what rules made of them; older ones were judged without."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("inspections", sa.Column("verdict", sa.Text))
    op.add_column("inspections", sa.Column("decided_by", sa.Text))
