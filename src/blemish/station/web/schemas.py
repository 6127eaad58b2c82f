"""What the API takes and gives, beside the records themselves."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from blemish.station.records import LARGEST_NUMBER, MAX_NOTE, Filter, ForeignText, Inspection, Verdict
from blemish.station.settings import MIN_RATE

RecordNumber = Annotated[int, Field(ge=0, le=LARGEST_NUMBER)]


class Problem(BaseModel):
    """Any answer that is no success."""

    detail: str = Field(description="What is wrong and what to do, in one sentence.")


class Outcome(BaseModel):
    """What became of one image of several."""

    name: ForeignText
    inspection: Inspection | None = Field(description="Null where there is an error.")
    error: str = Field(description="Why the image was not inspected, else empty.")


class Outcomes(BaseModel):
    """One entry for each image, in the order sent."""

    results: list[Outcome]


class InspectionPage(BaseModel):
    """Some inspections, newest first."""

    inspections: list[Inspection]
    next: int | None = Field(
        description="Give it as `before` for older ones; null where there are none, or with `after`."
    )


class Feedback(BaseModel):
    """What a person saw. What is left out stays as it is."""

    feedback: Verdict | None = Field(default=None, description="Null takes it back.")
    note: str = Field(default="", max_length=MAX_NOTE)


class Change(BaseModel):
    """What changes the threshold."""

    calibration: RecordNumber | None = Field(
        default=None,
        description="The one to change: where another is in force, nothing happens (409).",
    )


class Rate(Change):
    """The share of good images that may be called anomalous."""

    false_alarm_rate: float = Field(ge=MIN_RATE, lt=1, allow_inf_nan=False)


class Recalibration(Change):
    """How to calibrate from the images confirmed as good."""

    keep: bool = Field(
        description="Keep the model's own scores beside theirs, if those are in force; false replaces them."
    )


class Threshold(BaseModel):
    """What gives the verdicts now."""

    threshold: float = Field(description="Scores strictly above it are anomalous.")
    false_alarm_rate: float = Field(description="As asked for.")
    effective_rate: float = Field(description="As kept: with few calibration images it is larger.")
    calibration: int = Field(description="Number of the calibration.")
    images: int = Field(description="Calibration images.")
    origin: str
    made: datetime
    note: str = Field(description="A sentence where the rate asked for cannot be kept, else empty.")


class PageQuery(Filter):
    """The filters of a list, and which part of it."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    before: RecordNumber | None = Field(None, description="Only older than this number.")
    after: RecordNumber | None = Field(None, description="Only newer than this number.")
