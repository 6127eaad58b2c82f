"""What the API takes and gives, beside the records themselves."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from blemish.station.records import Filter, ForeignText, Inspection, Source, Verdict

MIN_RATE = 1e-6  # below it no calibration is large enough
MOST = 2**63 - 1  # of what a database holds as a number


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
    """What a person saw."""

    feedback: Verdict | None = Field(description="Null takes it back.")
    note: str = Field("", max_length=2000)


class Rate(BaseModel):
    """The share of good images that may be called anomalous."""

    false_alarm_rate: float = Field(ge=MIN_RATE, lt=1, allow_inf_nan=False)


class Recalibration(BaseModel):
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


class Query(BaseModel):
    """The filters of a list; see `Filter`."""

    anomalous: bool | None = None
    failed: bool | None = None
    feedback: Annotated[str | None, Field(pattern="^(good|defect|any|none)$")] = None
    source: Source | None = None
    model: Annotated[str | None, Field(pattern="^[0-9a-f]{1,64}$")] = None
    image: Annotated[str | None, Field(pattern="^[0-9a-f]{64}$")] = None
    since: datetime | None = None
    until: datetime | None = None
    min_score: Annotated[float | None, Field(allow_inf_nan=False)] = None
    max_score: Annotated[float | None, Field(allow_inf_nan=False)] = None
    text: Annotated[str | None, Field(max_length=200)] = None

    def filter(self) -> Filter:
        """Times without a zone are UTC."""
        values = {name: getattr(self, name) for name in Query.model_fields}
        for name in ("since", "until"):
            if values[name] is not None and values[name].tzinfo is None:
                values[name] = values[name].replace(tzinfo=UTC)
        return Filter.model_validate(values)


class PageQuery(Query):
    """The filters of a list, and which part of it."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    before: Annotated[int | None, Field(ge=0, le=MOST, description="Only older than this number.")] = None
    after: Annotated[int | None, Field(ge=0, le=MOST, description="Only newer than this number.")] = None
