"""The false-alarm rate in force, what another would mean, and what feedback can teach it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from blemish.station.learning import threshold
from blemish.station.schemas import Evidence, Preview, Rate, RateChange, Recalibration, Threshold
from blemish.station.web.deps import RecordNumber, StationDep, problems
from blemish.station.web.pages import fragment, page

TO_JUDGE = 12  # suggested at once

router = APIRouter(tags=["threshold"])


@router.get("/v1/threshold", responses=problems())
def read_threshold(station: StationDep) -> Threshold:
    """What gives the verdicts now."""
    return Threshold.of(station.models.active.calibrated)


@router.put("/v1/threshold", responses=problems(409, 503))
def set_threshold(station: StationDep, change: RateChange) -> Threshold:
    """Keep another false-alarm rate from the next image on; past verdicts stay as they are."""
    return Threshold.of(threshold.set_rate(station, change.false_alarm_rate, expected=change.calibration))


@router.get("/v1/threshold/preview", responses=problems(503))
def preview_threshold(
    station: StationDep,
    false_alarm_rate: Annotated[Rate, Query()],
    last: Annotated[int, Query(ge=1, le=100_000, description="Past inspections to look at.")] = 1000,
) -> Preview:
    """What a false-alarm rate would have meant for past inspections."""
    return threshold.preview(station, false_alarm_rate, last=last)


@router.post("/v1/calibrations", status_code=201, responses=problems(409, 503))
def recalibrate(station: StationDep, how: Recalibration) -> Threshold:
    """Calibrate from the images confirmed as good; the rate asked for stays."""
    return Threshold.of(threshold.recalibrate(station, keep=how.keep, expected=how.calibration))


@router.post("/v1/calibrations/{number}/use", responses=problems(404, 409, 503))
def use_calibration(station: StationDep, number: RecordNumber) -> Threshold:
    """Go back to an earlier calibration of the model in use, with the rate it had."""
    return Threshold.of(threshold.use_again(station, number))


@router.get("/v1/threshold/evidence", responses=problems(503))
def evidence(station: StationDep) -> Evidence:
    """What there is to calibrate from, and whether it would mislead."""
    return threshold.evidence(station)


@router.get("/threshold", include_in_schema=False)
def threshold_page(request: Request, station: StationDep) -> Response:
    """The false-alarm rate, and what feedback can teach it."""
    active = station.models.active
    to_judge = threshold.sample(station, TO_JUDGE)
    return page(
        request,
        "threshold.html.j2",
        force=Threshold.of(active.calibrated),
        evidence=threshold.evidence(station),
        to_judge=station.store.get_many(to_judge),
        review=",".join(map(str, to_judge)),
        history=station.store.calibrations(active.fingerprint),
    )


@router.get("/threshold/preview", include_in_schema=False)
def preview_fragment(
    request: Request, station: StationDep, false_alarm_rate: Annotated[Rate, Query()]
) -> Response:
    """What another rate would have meant."""
    preview = threshold.preview(station, false_alarm_rate)
    changing = station.store.get_many(preview.changed)
    return fragment(request, "preview.html.j2", preview=preview, changing=changing)
