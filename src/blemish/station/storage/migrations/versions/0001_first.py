"""Inspections, models and calibrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "inspections",
        sa.Column("id", number, primary_key=True),
        sa.Column("received", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("image", sa.Text()),
        sa.Column("image_bytes", sa.BigInteger(), nullable=False),
        sa.Column("image_type", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("map", sa.Text()),
        sa.Column("map_bytes", sa.BigInteger(), nullable=False),
        sa.Column("map_low", sa.Double()),
        sa.Column("map_high", sa.Double()),
        sa.Column("score", sa.Double()),
        sa.Column("p_value", sa.Double()),
        sa.Column("is_anomalous", sa.Boolean()),
        sa.Column("threshold", sa.Double()),
        sa.Column("false_alarm_rate", sa.Double()),
        sa.Column("model", sa.Text()),
        sa.Column("calibration", sa.BigInteger()),
        sa.Column("milliseconds", sa.Double()),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("feedback", sa.Text()),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("feedback_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("key", name="uq_inspections_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inspections_received", "inspections", ["received"])
    op.create_index("ix_inspections_is_anomalous", "inspections", ["is_anomalous", "id"])
    op.create_index("ix_inspections_feedback", "inspections", ["feedback", "id"])
    op.create_index("ix_inspections_expired", "inspections", ["feedback", "received", "id"])
    op.create_index("ix_inspections_score", "inspections", ["score", "id"])
    op.create_index("ix_inspections_image", "inspections", ["image", "image_bytes"])
    op.create_index("ix_inspections_map", "inspections", ["map", "map_bytes"])
    op.create_table(
        "models",
        sa.Column("fingerprint", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("first_used", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "calibrations",
        sa.Column("id", number, primary_key=True),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("false_alarm_rate", sa.Double(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_calibrations_model", "calibrations", ["model", "id"])
