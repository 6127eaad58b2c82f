"""What an operator sees to: how the station is, and which model gives the verdicts."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from blemish.station.errors import StationError
from blemish.station.records import Event, Filter
from blemish.station.schemas import Health, ModelState
from blemish.station.web.deps import ModelName, RecipeDep, StationDep, problems
from blemish.station.web.pages import condition, fragment, hidden_part, page

router = APIRouter(tags=["operation"])  # of a recipe
station_wide = APIRouter(tags=["operation"])
pages = APIRouter(include_in_schema=False)


@station_wide.get("/v1/health", responses=problems())
def health(station: StationDep, request: Request) -> Health:
    """How the station is. Answers 200 as long as it runs; what is wrong is told to those with the token."""
    found = station.monitor.health()
    return found if request.state.authorised else Health(status=found.status, parts=[])


@station_wide.get("/v1/ready", responses=problems() | {503: {"model": Health}})
def ready(station: StationDep, request: Request, response: Response) -> Health:
    """Whether images are accepted: 200, or 503 while they are not."""
    try:
        station.pipeline.check(station.default)
    except StationError:
        response.status_code = 503
    return health(station, request)


@station_wide.get("/metrics", response_class=Response, responses=problems())
def metrics(station: StationDep) -> Response:
    """Figures for Prometheus."""
    return Response(station.metrics.text(), media_type="text/plain; version=0.0.4")


@station_wide.get("/condition", include_in_schema=False)
def condition_fragment(request: Request, station: StationDep) -> Response:
    """How the station is, for every page."""
    return fragment(request, "condition.html.j2", **condition(station))


@station_wide.get("/v1/recipes", responses=problems())
def list_recipes(station: StationDep) -> list[Event]:
    """The latest event of each recipe, which tells what judges its pictures; the default one comes first."""
    return [recipe.models.changed for recipe in station.recipes.values()]


@router.get("/events", responses=problems(503))
def list_events(recipe: RecipeDep, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> list[Event]:
    """The latest changes of what judges the pictures, newest first."""
    return recipe.store.events(recipe.name, limit=limit)


@router.get("/models", responses=problems())
def list_models(recipe: RecipeDep) -> list[ModelState]:
    """The models to choose from."""
    return recipe.models.states()


@router.post("/models/{name}/use", responses=problems(404, 409, 503))
def use_model(recipe: RecipeDep, name: ModelName) -> ModelState:
    """Load a model, for the verdicts from the next image on; those in hand are finished with the old one."""
    return recipe.models.use(name)


@pages.get("/models")
def models_page(request: Request, recipe: RecipeDep) -> Response:
    """The models to choose from."""
    latest = recipe.store.select(Filter(recipe=recipe.name), limit=1)
    description = recipe.models.active.detector.metadata
    shown = hidden_part(latest[0], description) if latest else ""
    return page(request, "models.html.j2", models=recipe.models.states(), hidden=shown)
