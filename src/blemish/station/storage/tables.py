"""The tables of the station's database. Whatever changes here needs a new file in `migrations/versions`."""

import sqlalchemy as sa

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # given once, even if the row is deleted
TIME = sa.DateTime(timezone=True)  # SQLite keeps no zone, so all that is written is UTC

metadata = sa.MetaData()

inspections = sa.Table(
    "inspections",
    metadata,
    sa.Column("id", NUMBER, primary_key=True),
    sa.Column("recipe", sa.Text, nullable=False, server_default=""),
    sa.Column("received", TIME, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("key", sa.Text),
    sa.Column("image", sa.Text),
    sa.Column("image_bytes", sa.BigInteger, nullable=False),
    sa.Column("image_type", sa.Text, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("map", sa.Text),
    sa.Column("map_bytes", sa.BigInteger, nullable=False),
    sa.Column("map_low", sa.Double),
    sa.Column("map_high", sa.Double),
    sa.Column("score", sa.Double),
    sa.Column("p_value", sa.Double),
    sa.Column("is_anomalous", sa.Boolean),
    sa.Column("is_other_part", sa.Boolean),
    sa.Column("verdict", sa.Text),
    sa.Column("decided_by", sa.Text),
    sa.Column("threshold", sa.Double),
    sa.Column("false_alarm_rate", sa.Double),
    sa.Column("model", sa.Text),
    sa.Column("calibration", sa.BigInteger),
    sa.Column("milliseconds", sa.Double),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("feedback", sa.Text),
    sa.Column("defect_kind", sa.Text, nullable=False, server_default=""),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("feedback_at", TIME),
    sa.UniqueConstraint("key", name="uq_inspections_key"),
    sa.Index("ix_inspections_received", "received"),
    sa.Index("ix_inspections_recipe", "recipe", "id"),
    sa.Index("ix_inspections_is_anomalous", "is_anomalous", "id"),
    sa.Index("ix_inspections_feedback", "feedback", "id"),
    sa.Index("ix_inspections_expired", "feedback", "received", "id"),
    sa.Index("ix_inspections_score", "score", "id"),
    sa.Index("ix_inspections_model", "model", "id"),
    sa.Index("ix_inspections_image", "image", "image_bytes"),
    sa.Index("ix_inspections_map", "map", "map_bytes"),
    sqlite_autoincrement=True,
)

models = sa.Table(
    "models",
    metadata,
    sa.Column("fingerprint", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.JSON, nullable=False),
    sa.Column("first_used", TIME, nullable=False),
)

calibrations = sa.Table(
    "calibrations",
    metadata,
    sa.Column("id", NUMBER, primary_key=True),
    sa.Column("recipe", sa.Text, nullable=False, server_default=""),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("made", TIME, nullable=False),
    sa.Column("scores", sa.JSON, nullable=False),
    sa.Column("false_alarm_rate", sa.Double, nullable=False),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Index("ix_calibrations_model", "model", "id"),
    sqlite_autoincrement=True,
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", NUMBER, primary_key=True),
    sa.Column("recipe", sa.Text, nullable=False),
    sa.Column("at", TIME, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("in_force", sa.JSON, nullable=False),
    sa.Index("ix_events_recipe", "recipe", "id"),
    sqlite_autoincrement=True,
)
