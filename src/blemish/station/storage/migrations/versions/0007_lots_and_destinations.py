"""Inspections have lot and serial number; destinations of the verdicts have positions."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    for name in ("lot", "serial"):
        op.add_column("inspections", sa.Column(name, sa.Text))
        op.create_index(f"ix_inspections_{name}", "inspections", [name, "id"])
    op.create_table(
        "destinations",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
    )
