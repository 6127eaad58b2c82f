"""What the station's API takes and gives, beside the records themselves."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from blemish.calibration import Calibration
from blemish.station.records import (
    MAX_KIND,
    MAX_NOTE,
    CalibrationRecord,
    Filter,
    Inspection,
    Kind,
    LocalTime,
    Number,
    Text,
    Verdict,
)

MIN_RATE = 1e-6  # of false alarms; below it no calibration is large enough
VERDICTS = {
    "good": {"anomalous": False, "look_again": False},
    "look again": {"look_again": True},
    "anomalous": {"anomalous": True},
    "not this part": {"other_part": True},
    "failed": {"failed": True},
}

Rate = Annotated[float, Field(ge=MIN_RATE, lt=1, allow_inf_nan=False)]


class Problem(BaseModel):
    """Any answer that is no success."""

    detail: str = Field(description="What is wrong and what to do, in one sentence.")


class PageQuery(Filter):
    """The filters of a list, and which part of it."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    before: Number | None = Field(None, description="Only older than this number.")
    after: Number | None = Field(None, description="Only newer than this number.")


def filled_in(values: dict[str, Any]) -> dict[str, Any]:
    """A form's values without its empty fields, which do not narrow."""
    return {name: value for name, value in values.items() if value != ""}


class AuditQuery(BaseModel):
    """Which lines of the audit trail: a form like the gallery's."""

    recipe: Text | None = None
    kind: Kind | None = None
    who: Text | None = None
    since: LocalTime | None = None
    until: LocalTime | None = None
    before: Number | None = None

    _filled_in = model_validator(mode="before")(filled_in)


class GalleryQuery(PageQuery):
    """The gallery's form: an empty field does not narrow, and times are those of the station's zone.

    `verdict` sets `anomalous`, `look_again`, `other_part` and `failed`; `review` are numbers to go through.
    """

    verdict: Literal["good", "look again", "anomalous", "not this part", "failed"] | None = None
    since: LocalTime | None = None
    until: LocalTime | None = None
    review: str = ""

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, values: dict[str, Any]) -> dict[str, Any]:
        filled = filled_in(values)
        return filled | VERDICTS.get(filled.get("verdict", ""), {})


class Outcome(BaseModel):
    """What became of one image of several."""

    name: Text
    inspection: Inspection | None = Field(description="Null where there is an error.")
    error: str = Field(description="Why the image was not inspected, else empty.")


class Outcomes(BaseModel):
    """One entry for each image, in the order sent."""

    results: list[Outcome]


class InspectionPage(BaseModel):
    """Some inspections, newest first."""

    inspections: list[Inspection]
    next: int | None = Field(description="Give it as `before` for older ones; null where there are none.")


class Feedback(BaseModel):
    """What a person saw. What is left out stays as it is."""

    feedback: Verdict | None = Field(None, description="Null takes it back.")
    defect_kind: Annotated[Text, StringConstraints(strip_whitespace=True, max_length=MAX_KIND)] = Field(
        "", description="What kind of defect; goes with the judgement that it is one."
    )
    note: Text = Field("", max_length=MAX_NOTE)

    @model_validator(mode="after")
    def _kind_of_a_defect(self) -> Self:
        if self.defect_kind and self.feedback != Verdict.DEFECT:
            raise ValueError('a kind of defect goes with "feedback": "defect"; send both')
        return self


class ModelState(BaseModel):
    """What is known of a model file."""

    name: str = Field(description="File name.")
    active: bool = Field(False, description="Whether it gives the verdicts; else only the name is known.")
    fingerprint: str | None = Field(None, description="SHA-256 of the file it was loaded from.")
    method: str | None = None
    precision: str | None = None
    rules: str = Field("", description="Which rules are in force, in a sentence, or empty.")


class Change(BaseModel):
    """What changes the threshold."""

    calibration: Number | None = Field(None, description="The one to change; 409 where another is in force.")


class RateChange(Change):
    """The share of good images that may be called anomalous."""

    false_alarm_rate: Rate


class Recalibration(Change):
    """How to calibrate from the images confirmed as good."""

    keep: bool = Field(description="Keep the model's own scores too, if these are in force; else replace.")


class KeptRate(BaseModel):
    """A false-alarm rate, and the threshold that keeps it."""

    threshold: float = Field(description="Scores strictly above it are anomalous.")
    false_alarm_rate: float = Field(description="As asked for.")
    effective_rate: float = Field(description="As kept: with few calibration images it is larger.")
    note: str = Field(description="A sentence where the rate asked for cannot be kept, else empty.")


def kept_rate(calibration: Calibration) -> dict[str, Any]:
    """The fields of a `KeptRate`."""
    return {name: getattr(calibration, name) for name in KeptRate.model_fields}


class Threshold(KeptRate):
    """What gives the verdicts now."""

    calibration: int = Field(description="Number of the calibration.")
    images: int = Field(description="Calibration images.")
    origin: str
    made: datetime

    @classmethod
    def of(cls, record: CalibrationRecord) -> "Threshold":
        return cls(
            **kept_rate(record.calibration),
            calibration=record.id,
            images=len(record.scores),
            origin=record.origin,
            made=record.made,
        )


class Preview(KeptRate):
    """What a false-alarm rate would have meant for past inspections of the active model."""

    inspections: int = Field(description="Past inspections looked at.")
    alarms_now: int = Field(description="With the calibration in force, whatever was in force then.")
    alarms_then: int
    newly_alarmed: int
    no_longer: int
    confirmed_good: int
    false_alarms_then: int
    confirmed_defect: int
    missed_then: int
    changed: list[int] = Field(description="Up to 12 of another verdict, nearest to the new threshold first.")


class RulesPreview(BaseModel):
    """What rules would make of the good images that a model was calibrated on."""

    images: int
    defective: int
    look_again: int
    rules: str = Field(description="What they say, in one line.")


class Evidence(BaseModel):
    """What there is to calibrate from. Counts are inspections of the active model that have a score."""

    confirmed_good: int
    confirmed_defect: int
    warning: str = Field(description="Why calibrating from them would mislead, and what to do, or empty.")


class Drift(BaseModel):
    """Recent scores beside those of the calibration in force."""

    count: int = Field(description="Recent inspections looked at, but for confirmed defects.")
    rate: float = Field(description="The false-alarm rate in force.")
    ks: float | None = Field(None, description="Largest distance of the two distributions, 0..1, or null.")
    p: float | None = Field(None, description="Chance of at least this distance although nothing changed.")
    shift: float | None = Field(None, description="Rise of the median, in 5 % to 95 % ranges of calibration.")
    alarms: float | None = Field(None, description="Share of alarms, with what is in force.")
    message: str = Field("", description="What to look at, in a sentence; empty when all is well.")
    unsure: str = Field("", description="Why it cannot be told, in a sentence, else empty.")


class Comparison(BaseModel):
    """A new model beside the one in use, on judged pictures that neither learned from."""

    sentences: list[str] = Field(description="False alarms and found defects of both, and how to read them.")
    differ: list[int] = Field(description="Up to 12 inspections that they judge differently.")


class Fit(BaseModel):
    """A new model of a recipe, fitted here."""

    number: int
    model: str = Field(description="Its file name, by which it can be used once it is finished.")
    in_use: str = Field(description="File name of the one in use at the start.")
    started: datetime
    state: Literal["running", "finished", "failed"] = "running"
    message: str = Field("", description="How far it is, or why there is no model.")
    comparison: Comparison | None = None


class Status(StrEnum):
    """Of a part, or of the whole: "down" accepts no images, "degraded" needs a person."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class Part(BaseModel):
    """One part of the station."""

    name: str
    status: Status
    message: str = Field(description="What is wrong and what to do, in a sentence, or empty.")


class Health(BaseModel):
    """The whole: as bad as its worst part."""

    status: Status
    parts: list[Part]
