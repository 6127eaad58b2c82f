"""The tables of the station's database. Whatever changes here needs a new file in `migrations/versions`."""

from typing import Any

import sqlalchemy as sa

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # given once, even if the row is deleted
TIME = sa.DateTime(timezone=True)  # SQLite keeps no zone, so all that is written is UTC
SOUGHT = ("recipe", "is_anomalous", "feedback", "score", "lot", "serial", "model")

metadata = sa.MetaData()


def _columns(kind: Any, *names: str, required: bool = False) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=not required) for name in names]


inspections = sa.Table(
    "inspections",
    metadata,
    sa.Column("id", NUMBER, primary_key=True),
    *(sa.Column(name, sa.Text, nullable=False, server_default="") for name in ("recipe", "defect_kind")),
    *_columns(TIME, "received", required=True),
    *_columns(sa.Text, "source", "name", "image_type", "error", "note", required=True),
    *_columns(sa.Text, "lot", "serial", "key", "image", "map", "verdict", "decided_by", "model"),
    *_columns(sa.BigInteger, "image_bytes", "map_bytes", required=True),
    *_columns(sa.Integer, "width", "height", required=True),
    *_columns(sa.Double, "map_low", "map_high", "score", "p_value", "threshold", "false_alarm_rate"),
    *_columns(sa.Double, "milliseconds"),
    *_columns(sa.Boolean, "is_anomalous", "is_other_part"),
    *_columns(sa.BigInteger, "calibration"),
    *_columns(sa.Text, "feedback", "feedback_by"),
    *_columns(TIME, "feedback_at"),
    sa.UniqueConstraint("key", name="uq_inspections_key"),
    sa.Index("ix_inspections_received", "received"),
    *(sa.Index(f"ix_inspections_{name}", name, "id") for name in SOUGHT),
    sa.Index("ix_inspections_expired", "feedback", "received", "id"),
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
    *_columns(sa.Text, "model", "origin", required=True),
    sa.Column("made", TIME, nullable=False),
    sa.Column("scores", sa.JSON, nullable=False),
    sa.Column("false_alarm_rate", sa.Double, nullable=False),
    sa.Index("ix_calibrations_model", "model", "id"),
    sqlite_autoincrement=True,
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("id", NUMBER, primary_key=True),
    *_columns(sa.Text, "name", "role", required=True),
    sa.Column("disabled", sa.Boolean, nullable=False),
    *_columns(sa.Text, "secret", "link"),
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
    *_columns(sa.Text, "who", "recipe", "kind", "subject", "before", "after", "why", required=True),
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
