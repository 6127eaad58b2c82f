"""The tables of the station's database. Whatever changes here needs a new file in `migrations/versions`.

Inspections refer to models and calibrations without foreign keys: an empty database put in the place of a
lost one must take the very next inspection, long before the model in use is recorded again.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from blemish.station.records import cleaned


class UtcTime(TypeDecorator[datetime]):
    """Times with time zone, in UTC; one without is taken for UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        try:
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        except OverflowError:  # within a day of the first or last year there is
            return (datetime.min if value.year == 1 else datetime.max).replace(tzinfo=UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class AnyText(TypeDecorator[str]):
    """Text of any origin, also an enumeration's value; kept as `cleaned`."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else cleaned(value)


def _number() -> Column[Any]:
    """A primary key that is never given twice, not even after the row was deleted."""
    return Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True)


metadata = MetaData()

inspections = Table(
    "inspections",
    metadata,
    _number(),
    Column("received", UtcTime, nullable=False),
    Column("source", AnyText, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("key", AnyText),
    Column("image", AnyText),
    Column("image_bytes", BigInteger, nullable=False),
    Column("image_type", AnyText, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("map", AnyText),
    Column("map_bytes", BigInteger, nullable=False),
    Column("map_low", Double),
    Column("map_high", Double),
    Column("score", Double),
    Column("p_value", Double),
    Column("is_anomalous", Boolean),
    Column("threshold", Double),
    Column("false_alarm_rate", Double),
    Column("model", AnyText),
    Column("calibration", BigInteger),
    Column("milliseconds", Double),
    Column("error", AnyText, nullable=False),
    Column("feedback", AnyText),
    Column("note", AnyText, nullable=False),
    Column("feedback_at", UtcTime),
    UniqueConstraint("key", name="uq_inspections_key"),
    Index("ix_inspections_received", "received"),
    Index("ix_inspections_is_anomalous", "is_anomalous", "id"),
    Index("ix_inspections_feedback", "feedback", "id"),
    Index("ix_inspections_expired", "feedback", "received", "id"),
    Index("ix_inspections_score", "score", "id"),
    Index("ix_inspections_model", "model", "id"),
    Index("ix_inspections_image", "image", "image_bytes"),
    Index("ix_inspections_map", "map", "map_bytes"),
    sqlite_autoincrement=True,
)

models = Table(
    "models",
    metadata,
    Column("fingerprint", AnyText, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("description", JSON, nullable=False),
    Column("first_used", UtcTime, nullable=False),
)

calibrations = Table(
    "calibrations",
    metadata,
    _number(),
    Column("model", AnyText, nullable=False),
    Column("made", UtcTime, nullable=False),
    Column("scores", JSON, nullable=False),
    Column("false_alarm_rate", Double, nullable=False),
    Column("origin", AnyText, nullable=False),
    Index("ix_calibrations_model", "model", "id"),
    sqlite_autoincrement=True,
)
