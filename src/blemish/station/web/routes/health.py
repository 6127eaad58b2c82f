"""How the station is, for people and monitors."""

from fastapi import APIRouter, Response

from blemish.station.errors import StationError
from blemish.station.schemas import Health
from blemish.station.web.deps import Authorised, StationDep, problems

router = APIRouter(tags=["operation"])


@router.get("/v1/health", responses=problems())
def health(station: StationDep, authorised: Authorised) -> Health:
    """How the station is. Answers 200 as long as it runs; what is wrong is told to those with the token."""
    found = station.monitor.health()
    return found if authorised else Health(status=found.status, parts=[])


@router.get("/v1/ready", responses=problems() | {503: {"model": Health}})
def ready(station: StationDep, authorised: Authorised, response: Response) -> Health:
    """Whether images are accepted: 200, or 503 while they are not."""
    try:
        station.pipeline.check()
    except StationError:
        response.status_code = 503
    return health(station, authorised)


@router.get("/metrics", response_class=Response, responses=problems())
def metrics(station: StationDep) -> Response:
    """Figures for Prometheus."""
    return Response(station.metrics.text(), media_type="text/plain; version=0.0.4")
