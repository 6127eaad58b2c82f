"""The live page: what is inspected now."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from blemish.station.recipe import Recipe
from blemish.station.records import Filter, Number
from blemish.station.station import Station
from blemish.station.web.deps import Operator, RecipeDep, StationDep
from blemish.station.web.pages import fragment, outcome, page, place

LATEST = 24
CHANGES = 5  # shown

router = APIRouter(include_in_schema=False)


@router.get("/")
def live(request: Request, station: StationDep, recipe: RecipeDep, _: Operator) -> Response:
    return page(request, "live.html.j2", **_latest(station, recipe))


@router.get("/live")
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

    def count(**more: Any) -> int:
        return recipe.store.count(Filter(recipe=recipe.name, since=today.astimezone(UTC), **more))

    return {
        "inspections": newest,
        **(outcome(station, newest[0]) if newest else {}),
        "inspected": count(),
        "anomalous": count(anomalous=True),
        "to_judge": count(anomalous=True, feedback="none"),
        "other_parts": count(other_part=True),
        "today": f"{today:%Y-%m-%dT%H:%M}",
        "in_force": recipe.in_force,
        "changes": recipe.changes(CHANGES),
    }
