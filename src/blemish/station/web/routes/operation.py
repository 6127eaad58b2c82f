"""What an operator sees to: how the station is, and which model gives the verdicts."""

from fastapi import APIRouter, Request, Response

from blemish.station.errors import StationError
from blemish.station.records import Filter
from blemish.station.schemas import Health, ModelState
from blemish.station.web.deps import (
    Anyone,
    AuthorDep,
    Engineer,
    Machine,
    ModelName,
    Operator,
    StationDep,
    problems,
)
from blemish.station.web.pages import hidden_part, page

router = APIRouter(tags=["operation"])


@router.get("/v1/health", responses=problems())
def health(station: StationDep, user: Anyone) -> Health:
    """How the station is. Answers 200 as long as it runs; what is wrong is told to those who may know."""
    found = station.monitor.health()
    return found if user else Health(status=found.status, parts=[])


@router.get("/v1/ready", responses=problems() | {503: {"model": Health}})
def ready(station: StationDep, user: Anyone, response: Response) -> Health:
    """Whether images are accepted: 200, or 503 while they are not."""
    try:
        station.pipeline.check()
    except StationError:
        response.status_code = 503
    return health(station, user)


@router.get("/metrics", response_class=Response, responses=problems())
def metrics(station: StationDep, _: Machine) -> Response:
    """Figures for Prometheus."""
    return Response(station.metrics.text(), media_type="text/plain; version=0.0.4")


@router.get("/v1/models", responses=problems())
def list_models(station: StationDep, _: Operator) -> list[ModelState]:
    """The models to choose from."""
    return station.models.states()


@router.post("/v1/models/{name}/use", responses=problems(404, 409, 503))
def use_model(station: StationDep, by: AuthorDep, name: ModelName) -> ModelState:
    """Load a model, for the verdicts from the next image on; those in hand are finished with the old one."""
    return station.models.use(name, by)


@router.get("/models", include_in_schema=False)
def models_page(request: Request, station: StationDep, _: Engineer) -> Response:
    """The models to choose from."""
    latest = station.store.select(Filter(), limit=1)
    description = station.models.active.detector.metadata
    shown = hidden_part(latest[0], description) if latest else ""
    return page(request, "models.html.j2", models=station.models.states(), hidden=shown)
