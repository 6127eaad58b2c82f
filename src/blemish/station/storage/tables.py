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
    sa.Column("lot", sa.Text),
    sa.Column("serial", sa.Text),
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
    sa.Column("feedback_by", sa.Text),
    sa.UniqueConstraint("key", name="uq_inspections_key"),
    sa.Index("ix_inspections_received", "received"),
    sa.Index("ix_inspections_recipe", "recipe", "id"),
    sa.Index("ix_inspections_is_anomalous", "is_anomalous", "id"),
    sa.Index("ix_inspections_feedback", "feedback", "id"),
    sa.Index("ix_inspections_expired", "feedback", "received", "id"),
    sa.Index("ix_inspections_score", "score", "id"),
    sa.Index("ix_inspections_lot", "lot", "id"),
    sa.Index("ix_inspections_serial", "serial", "id"),
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

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", NUMBER, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("secret", sa.Text),
    sa.Column("link", sa.Text),
    sa.Column("link_until", TIME),
    sa.UniqueConstraint("name", name="uq_users_name"),
    sqlite_autoincrement=True,
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("until", TIME, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", NUMBER, primary_key=True),
    sa.Column("at", TIME, nullable=False),
    *(
        sa.Column(name, sa.Text, nullable=False)
        for name in ("who", "recipe", "kind", "subject", "before", "after", "why")
    ),
    sa.Index("ix_audit_recipe", "recipe", "id"),
    sqlite_autoincrement=True,
)

_REFUSED = "the audit trail is append-only"
_RAISE = f"BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"
for _dialect, _statement in (
    ("sqlite", f"CREATE TRIGGER audit_update BEFORE UPDATE ON audit {_RAISE}"),
    ("sqlite", f"CREATE TRIGGER audit_delete BEFORE DELETE ON audit {_RAISE}"),
    (
        "sqlite",  # REPLACE fires no trigger of DELETE
        "CREATE TRIGGER audit_replace BEFORE INSERT ON audit "
        f"WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) {_RAISE}",
    ),
    (
        "postgresql",
        "CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSED}'; END $$",
    ),
    (
        "postgresql",
        "CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
    ),
):
    sa.event.listen(audit, "after_create", sa.DDL(_statement).execute_if(dialect=_dialect))

destinations = sa.Table(
    "destinations",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),  # the last inspection that it took
)
