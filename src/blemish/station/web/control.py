"""The API's other half: models, threshold, learning from feedback, health."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from blemish.station.health import Health
from blemish.station.learning import dataset, drift, threshold
from blemish.station.problems import StationError
from blemish.station.settings import MIN_RATE
from blemish.station.shelf import Loaded, ModelState
from blemish.station.web.api import Number, error_responses, station_of
from blemish.station.web.render import authorised
from blemish.station.web.schemas import Rate, Recalibration, Threshold

router = APIRouter()

ModelName = Annotated[str, Path(max_length=255, description="A model's file name, as the list has it.")]


@router.get("/v1/models", tags=["models"], responses=error_responses())
def models(request: Request) -> list[ModelState]:
    """The models to choose from."""
    return station_of(request).shelf.states()


@router.post("/v1/models/{name}/load", tags=["models"], responses=error_responses(404, 409, 503))
def load_model(request: Request, name: ModelName) -> ModelState:
    """Load a model's file into memory, without using it."""
    return station_of(request).shelf.load(name)


@router.post("/v1/models/{name}/use", tags=["models"], responses=error_responses(404, 409, 503))
def use_model(request: Request, name: ModelName) -> ModelState:
    """Let a model give the verdicts from the next image on; those in hand are finished with the old one."""
    return station_of(request).shelf.use(name)


@router.get("/v1/threshold", tags=["threshold"], responses=error_responses())
def read_threshold(request: Request) -> Threshold:
    """What gives the verdicts now."""
    return in_force(station_of(request).shelf.active)


@router.put("/v1/threshold", tags=["threshold"], responses=error_responses(409, 503))
def set_threshold(request: Request, rate: Rate) -> Threshold:
    """Keep another false-alarm rate from the next image on; past verdicts stay as they are."""
    station = station_of(request)
    threshold.set_rate(station, rate.false_alarm_rate, expected=rate.calibration)
    return in_force(station.shelf.active)


@router.get("/v1/threshold/preview", tags=["threshold"], responses=error_responses(503))
def preview_threshold(
    request: Request,
    false_alarm_rate: Annotated[float, Query(ge=MIN_RATE, lt=1, allow_inf_nan=False)],
    last: Annotated[int, Query(ge=1, le=100_000, description="Past inspections to look at.")] = 1000,
) -> threshold.Preview:
    """What a false-alarm rate would have meant for past inspections."""
    return threshold.preview(station_of(request), false_alarm_rate, last=last)


@router.post("/v1/calibrations", tags=["threshold"], status_code=201, responses=error_responses(409, 503))
def recalibrate(request: Request, how: Recalibration) -> Threshold:
    """Calibrate from the images confirmed as good; the rate asked for stays."""
    station = station_of(request)
    threshold.recalibrate(station, keep=how.keep, expected=how.calibration)
    return in_force(station.shelf.active)


@router.post("/v1/calibrations/{number}/use", tags=["threshold"], responses=error_responses(404, 409, 503))
def use_calibration(request: Request, number: Number) -> Threshold:
    """Go back to an earlier calibration of the model in use, with the rate it had."""
    station = station_of(request)
    threshold.use_again(station, number)
    return in_force(station.shelf.active)


@router.get("/v1/threshold/evidence", tags=["threshold"], responses=error_responses(503))
def evidence(request: Request) -> threshold.Evidence:
    """What there is to calibrate from, and whether it would mislead."""
    return threshold.evidence(station_of(request))


@router.get("/v1/drift", tags=["threshold"], responses=error_responses(503))
def read_drift(request: Request) -> drift.Drift:
    """Whether recent scores still look like those of the calibration."""
    return drift.drift(station_of(request))


@router.get("/v1/dataset.zip", tags=["learning"], response_class=Response, responses=error_responses(503))
def dataset_zip(request: Request) -> StreamingResponse:
    """The images that people judged, as a data set for the next fit: train/good and test/defect."""
    return StreamingResponse(
        dataset.stream(station_of(request)),
        media_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="dataset.zip"'},
    )


@router.get("/v1/health", tags=["operation"], responses=error_responses())
def health(request: Request) -> Health:
    """How the station is. Answers 200 as long as it runs; what is wrong is told to those with the token."""
    found = station_of(request).health()
    return found if authorised(request) else Health(status=found.status, parts=[])


@router.get("/v1/ready", tags=["operation"], responses=error_responses() | {503: {"model": Health}})
def ready(request: Request, response: Response) -> Health:
    """Whether images are accepted: 200, or 503 while they are not."""
    found = health(request)
    try:
        station_of(request).pipeline.check()
    except StationError:
        response.status_code = 503
    return found


@router.get("/metrics", tags=["operation"], response_class=Response, responses=error_responses())
def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    return Response(station_of(request).telemetry.text(), media_type="text/plain; version=0.0.4")


def in_force(active: Loaded) -> Threshold:
    """What gives the verdicts, for showing."""
    verdicts, record = active.verdicts, active.calibration
    return Threshold(
        threshold=verdicts.threshold,
        false_alarm_rate=verdicts.false_alarm_rate,
        effective_rate=verdicts.effective_rate,
        calibration=record.id,
        images=len(record.scores),
        origin=record.origin,
        made=record.made,
        note=verdicts.note,
    )
