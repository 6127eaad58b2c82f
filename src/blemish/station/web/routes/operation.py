"""How the station is, what judges in it, and the live page: what is inspected now."""

from collections import Counter
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from blemish.station.errors import StationError
from blemish.station.recipe import Recipe
from blemish.station.records import Filter, InForce, Number, outcome_of
from blemish.station.schemas import Health
from blemish.station.station import Station
from blemish.station.web.deps import Anyone, Machine, Operator, RecipeDep, StationDep
from blemish.station.web.pages import condition, fragment, outcome, page, place

LATEST = 24
CHANGES = 5  # shown

router = APIRouter(tags=["operation"])
pages = APIRouter(include_in_schema=False)  # of a recipe


@router.get("/v1/health")
def health(station: StationDep, user: Anyone) -> Health:
    """How the station is. Answers 200 as long as it runs; what is wrong is told to those who may know."""
    found = station.monitor.health()
    return found if user else Health(status=found.status, parts=[])


@router.get("/v1/ready", responses={503: {"model": Health}})
def ready(station: StationDep, user: Anyone, response: Response) -> Health:
    """Whether images are accepted: 200, or 503 while they are not."""
    try:
        for recipe in station.recipes.values():
            station.pipeline.check(recipe)
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


@pages.get("/")
def live(request: Request, station: StationDep, recipe: RecipeDep, _: Operator) -> Response:
    return page(request, "live.html.j2", **_latest(station, recipe))


@pages.get("/live")
def live_fragment(
    request: Request, station: StationDep, recipe: RecipeDep, _: Operator, after: Number | None = None
) -> Response:
    """What of the live page changes; 204 when nothing is newer than `after`."""
    if after is not None and not recipe.store.select(Filter(recipe=recipe.name), limit=1, after=after):
        return Response(status_code=204)
    return fragment(request, "latest.html.j2", **_latest(station, recipe), **place(station, recipe))


def _latest(station: Station, recipe: Recipe) -> dict[str, Any]:
    newest = recipe.store.select(Filter(recipe=recipe.name), limit=LATEST)
    today = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    of_today = Filter(recipe=recipe.name, since=today)
    outcomes = Counter[str]()
    for verdict, count in recipe.store.tally(of_today, "is_anomalous", "verdict").items():
        outcomes[outcome_of(*verdict)] += count
    return {
        "inspections": newest,
        **(outcome(station, newest[0]) if newest else {}),
        "outcomes": outcomes,
        "to_judge": recipe.store.count(of_today.model_copy(update={"anomalous": True, "feedback": "none"})),
        "other_parts": recipe.store.count(of_today.model_copy(update={"other_part": True})),
        "today": f"{today:%Y-%m-%dT%H:%M}",
        "in_force": recipe.in_force,
        "changes": recipe.changes(CHANGES),
    }
