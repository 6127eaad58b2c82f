"""What the station keeps of each inspection, model and calibration. The API gives these very fields."""

from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from blemish.calibration import Calibration

MAX_NAME = 255  # characters
MAX_NOTE = 2000
MAX_KIND = 60
LARGEST_NUMBER = 2**63 - 1  # that a database takes


def _cleaned(text: Any) -> Any:
    """A text as every database takes it: NUL and halves of surrogate pairs become U+FFFD."""
    if not isinstance(text, str):
        return text
    return text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except (OverflowError, ValueError, OSError):
        raise ValueError("there is no such time in UTC") from None


Text = Annotated[str, BeforeValidator(_cleaned)]
LocalTime = Annotated[datetime, AfterValidator(_in_utc)]  # one without a zone is of the station's
Time = Annotated[
    datetime, AfterValidator(lambda time: _in_utc(time if time.tzinfo else time.replace(tzinfo=UTC)))
]
Number = Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]
Score = Annotated[float, Field(allow_inf_nan=False)]


class Source(StrEnum):
    """How an image came."""

    API = "api"
    PAGE = "page"
    WATCH = "watch"


class Verdict(StrEnum):
    """What a person says an image shows."""

    GOOD = "good"
    DEFECT = "defect"


class Role(StrEnum):
    """What somebody may do: what those before it may, and more."""

    MACHINE = "machine"  # send images, read the figures
    OPERATOR = "operator"  # see and judge
    ENGINEER = "engineer"  # thresholds, models, rules
    ADMIN = "admin"  # users

    def may(self, needed: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Kind(StrEnum):
    """What a line of the audit trail is about."""

    JUDGEMENT = "judgement"
    THRESHOLD = "threshold"
    MODEL = "model"  # and its rules
    USER = "user"
    LOGIN = "login"


IN_FORCE = (Kind.THRESHOLD, Kind.MODEL)  # what changes what judges the pictures


class Author(NamedTuple):
    """Who changes something, and why."""

    who: str
    why: str = ""


COMMAND_LINE = Author("command line")  # no user's name has a space


class Record(BaseModel):
    """Fields that never change once written."""

    model_config = ConfigDict(frozen=True)


class NewInspection(Record):
    """One image and its verdict, before it has a number.

    All times are UTC. What an image without a score (`error`) lacks is None.
    """

    recipe: Text = Field("", description="The recipe that it was inspected by.")
    received: Time = Field(description="When the whole picture had arrived; numbers follow it in a recipe.")
    source: Source
    name: Text = Field(description="What the sender calls the image; for showing only.", max_length=MAX_NAME)
    lot: Text | None = Field(None, description="Of the part.", max_length=MAX_NAME)
    serial: Text | None = Field(None, description="Serial number of the part.", max_length=MAX_NAME)
    key: Text | None = Field(None, description="Recipe/how it came:key of the sender.", max_length=255)
    image: str | None = Field(None, description="SHA-256 of the image file, as 64 hexadecimal digits.")
    image_bytes: int
    image_type: str = Field("application/octet-stream", description="Media type, told by content.")
    width: int = Field(0, description="Pixels of the upright image.")
    height: int = 0
    map: str | None = Field(None, description="SHA-256 of the anomaly map's file.")
    map_bytes: int = 0
    map_low: float | None = Field(None, description="Smallest value of the anomaly map, raw scale.")
    map_high: float | None = Field(None, description="Largest value of the anomaly map, raw scale.")
    score: float | None = Field(None, description="Higher is more anomalous; the model's raw scale.")
    p_value: float | None = Field(None, description="Share of good images expected to score so high, (0, 1].")
    is_anomalous: bool | None = None
    is_other_part: bool | None = Field(None, description="Unlike every good one as a whole; null: unknown.")
    verdict: str | None = Field(None, description="By rules: good, look again or defective; null: no rules.")
    decided_by: str | None = Field(None, description="The zone or size the verdict hangs on, or no rule.")
    threshold: float | None = Field(None, description="Anomalous above it; null: zones or sizes decided.")
    false_alarm_rate: float | None = Field(None, description="The rate in force, in (0, 1).")
    model: str | None = Field(None, description="Fingerprint of the model file: SHA-256.")
    calibration: int | None = Field(None, description="That gave the verdict; null: zones or sizes did.")
    milliseconds: float | None = Field(None, description="From receipt to score.")
    error: str = Field("", description="Why the image could not be scored, else empty.")

    @property
    def outcome(self) -> str:
        """What it is counted as, with or without rules: good, look again, anomalous or failed."""
        return outcome_of(self.is_anomalous, self.verdict)


def outcome_of(is_anomalous: bool | None, verdict: str | None) -> str:
    """`NewInspection.outcome` of these fields."""
    return {None: "failed", True: "anomalous", False: verdict or "good"}[is_anomalous]


class Inspection(NewInspection):
    """One image, its verdict, and what a person said of it."""

    id: int
    feedback: Verdict | None = Field(None, description="What a person saw.")
    defect_kind: str = Field("", description="As a person names it; empty but for a defect.")
    note: str = Field("", max_length=MAX_NOTE)
    feedback_at: Time | None = None
    feedback_by: str | None = Field(None, description="Who judged; null where that was not kept.")


class Point(Record):
    """One scored inspection in the history of scores."""

    id: int
    received: Time
    score: float
    is_anomalous: bool
    verdict: str | None = None
    feedback: Verdict | None


class AuditEntry(Record):
    """One change: of what (`subject`), where the kind does not say it, from what, to what."""

    id: int
    at: Time
    who: str
    recipe: str = Field(description="Empty where it is about the whole station.")
    kind: Kind
    subject: str
    before: str
    after: str
    why: str


class User(Record):
    """A person or a machine that may use the station; without `id` whoever comes where there are no users.

    `secret` is the hash of the password or of the token; None until a link has set the password.
    """

    id: int = 0
    name: str
    role: Role
    disabled: bool = False
    secret: str | None = Field(None, repr=False)

    def __str__(self) -> str:
        return f"{self.role}, disabled" if self.disabled else self.role


class ModelRecord(Record):
    """A model that gave verdicts here, so that they can be drawn and explained after it is gone."""

    fingerprint: str = Field(description="SHA-256 of the model file.")
    name: str = Field(description="File name.")
    description: dict[str, Any] = Field(description="`blemish.inference.model_file.Metadata` as JSON values.")
    first_used: Time


class InForce(Record):
    """What judges the pictures of a recipe."""

    recipe: str
    model: str = Field(description="Fingerprint of the model file: SHA-256.")
    model_name: str = Field(description="Its file name.")
    threshold: float | None = Field(description="Null where zones or sizes decide.")
    false_alarm_rate: float = Field(description="As kept, in (0, 1).")
    rules: str = Field(description="In a sentence, or empty.")
    since: Time


class CalibrationRecord(Record):
    """Scores of good images that the model was not trained on, and the false-alarm rate to keep.

    It is never changed. `model` is a fingerprint, `origin` one clause on where the scores come from.
    """

    id: int
    recipe: str
    model: str
    made: Time
    scores: list[float]
    false_alarm_rate: float
    origin: str

    def __str__(self) -> str:
        return f"No. {self.id}: {100 * self.false_alarm_rate:g} %, {len(self.scores)} scores, {self.origin}"

    @cached_property
    def calibration(self) -> Calibration:
        return Calibration(np.array(self.scores), self.false_alarm_rate)


class Filter(Record):
    """Which inspections; what is None does not narrow. Images without a score have no verdict.

    `other_part`: unlike every good one as a whole. `feedback` "none": nobody has judged it yet.
    `model` is a fingerprint or its first digits. Received in [since, until), in UTC without a zone; score in
    [min_score, max_score]. `text`: part of the name or the note, whatever its case.
    """

    recipe: Text | None = None
    other_part: bool | None = None
    anomalous: bool | None = None
    look_again: bool | None = None
    failed: bool | None = None
    feedback: Literal["good", "defect", "any", "none"] | None = None
    defect_kind: Annotated[Text, Field(max_length=MAX_KIND)] | None = None
    source: Source | None = None
    lot: Annotated[Text, Field(max_length=MAX_NAME)] | None = None
    serial: Annotated[Text, Field(max_length=MAX_NAME)] | None = None
    model: Annotated[str, StringConstraints(to_lower=True, pattern="^[0-9a-fA-F]{1,64}$")] | None = None
    image: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    since: Time | None = None
    until: Time | None = None
    min_score: Score | None = None
    max_score: Score | None = None
    text: Annotated[Text, Field(max_length=MAX_NAME)] | None = None
