"""What an operator sees to: how the station is, and which model gives the verdicts."""

from fastapi import APIRouter, Request, Response

from blemish.station.errors import StationError
from blemish.station.records import Filter, InForce
from blemish.station.schemas import Health, ModelState
from blemish.station.web.deps import (
    Anyone,
    AuthorDep,
    Engineer,
    Machine,
    ModelName,
    Operator,
    RecipeDep,
    StationDep,
    problems,
)
from blemish.station.web.pages import condition, fragment, hidden_part, page

router = APIRouter(tags=["operation"])  # of a recipe
station_wide = APIRouter(tags=["operation"])
pages = APIRouter(include_in_schema=False)


@station_wide.get("/v1/health", responses=problems())
def health(station: StationDep, user: Anyone) -> Health:
    """How the station is. Answers 200 as long as it runs; what is wrong is told to those who may know."""
    found = station.monitor.health()
    return found if user else Health(status=found.status, parts=[])


@station_wide.get("/v1/ready", responses=problems() | {503: {"model": Health}})
def ready(station: StationDep, user: Anyone, response: Response) -> Health:
    """Whether images are accepted: 200, or 503 while they are not."""
    try:
        station.pipeline.check(station.default)
    except StationError:
        response.status_code = 503
    return health(station, user)


@station_wide.get("/metrics", response_class=Response, responses=problems())
def metrics(station: StationDep, _: Machine) -> Response:
    """Figures for Prometheus."""
    return Response(station.metrics.text(), media_type="text/plain; version=0.0.4")


@station_wide.get("/condition", include_in_schema=False)
def condition_fragment(request: Request, station: StationDep, _: Operator) -> Response:
    """How the station is, for every page."""
    return fragment(request, "condition.html.j2", **condition(station))


@station_wide.get("/v1/recipes", responses=problems(503))
def list_recipes(station: StationDep, _: Operator) -> list[InForce]:
    """What judges the pictures of each recipe; the default one comes first."""
    return [recipe.in_force for recipe in station.recipes.values()]


@router.get("/models", responses=problems())
def list_models(recipe: RecipeDep, _: Operator) -> list[ModelState]:
    """The models to choose from."""
    return recipe.models.states()


@router.post("/models/{name}/use", responses=problems(404, 409, 503))
def use_model(recipe: RecipeDep, by: AuthorDep, name: ModelName) -> ModelState:
    """Load a model, for the verdicts from the next image on; those in hand are finished with the old one."""
    return recipe.models.use(name, by)


@pages.get("/models")
def models_page(request: Request, recipe: RecipeDep, _: Engineer) -> Response:
    """The models to choose from."""
    latest = recipe.store.select(Filter(recipe=recipe.name), limit=1)
    description = recipe.models.active.detector.metadata
    shown = hidden_part(latest[0], description) if latest else ""
    return page(request, "models.html.j2", models=recipe.models.states(), hidden=shown)
