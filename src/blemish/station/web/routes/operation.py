"""How the station is, and what judges in it."""

from fastapi import APIRouter, Request, Response

from blemish.station.errors import StationError
from blemish.station.records import InForce
from blemish.station.schemas import Health
from blemish.station.web.deps import Anyone, Machine, Operator, StationDep
from blemish.station.web.pages import condition, fragment

router = APIRouter(tags=["operation"])


@router.get("/v1/health")
def health(station: StationDep, user: Anyone) -> Health:
    """How the station is. Answers 200 as long as it runs; what is wrong is told to those who may know."""
    found = station.monitor.health()
    return found if user else Health(status=found.status, parts=[])


@router.get("/v1/ready", responses={503: {"model": Health}})
def ready(station: StationDep, user: Anyone, response: Response) -> Health:
    """Whether images are accepted: 200, or 503 while they are not."""
    try:
        station.pipeline.check(station.default)
    except StationError:
        response.status_code = 503
    return health(station, user)


@router.get("/metrics", response_class=Response)
def metrics(station: StationDep, _: Machine) -> Response:
    return Response(station.metrics.text(), media_type="text/plain; version=0.0.4")


@router.get("/condition", include_in_schema=False)
def condition_fragment(request: Request, station: StationDep, _: Operator) -> Response:
    return fragment(request, "condition.html.j2", **condition(station))


@router.get("/v1/recipes")
def list_recipes(station: StationDep, _: Operator) -> list[InForce]:
    """What judges the pictures of each recipe; the default one comes first."""
    return [recipe.in_force for recipe in station.recipes.values()]
