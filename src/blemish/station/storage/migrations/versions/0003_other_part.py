"""Inspections say whether the picture shows another part; of older ones it is unknown."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("inspections", sa.Column("is_other_part", sa.Boolean))
