"""The latest inspections of one model are found at once among millions of another's."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index("ix_inspections_model", "inspections", ["model", "id"])
