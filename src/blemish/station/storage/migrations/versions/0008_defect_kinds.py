"""A judgement may name the kind of defect."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("inspections", sa.Column("defect_kind", sa.Text, nullable=False, server_default=""))
