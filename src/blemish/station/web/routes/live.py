"""The live page: what is inspected now."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from blemish.station.records import Filter, Number
from blemish.station.station import Station
from blemish.station.web.deps import Operator, StationDep
from blemish.station.web.pages import condition, fragment, outcome, page

LATEST = 24

router = APIRouter(include_in_schema=False)


@router.get("/")
def live(request: Request, station: StationDep, _: Operator) -> Response:
    """What is inspected now."""
    return page(request, "live.html.j2", **_latest(station))


@router.get("/live")
def live_fragment(
    request: Request, station: StationDep, _: Operator, after: Annotated[Number | None, Query()] = None
) -> Response:
    """What of the live page changes; 204 when nothing is newer than `after`."""
    if after is not None and not station.store.select(Filter(), limit=1, after=after):
        return Response(status_code=204)
    return fragment(request, "latest.html.j2", **_latest(station))


@router.get("/condition")
def condition_fragment(request: Request, station: StationDep, _: Operator) -> Response:
    """How the station is, for every page."""
    return fragment(request, "condition.html.j2", **condition(station))


def _latest(station: Station) -> dict[str, Any]:
    """What the live page shows."""
    count = station.store.count
    newest = station.store.select(Filter(), limit=LATEST)
    today = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    since = today.astimezone(UTC)
    return {
        "inspections": newest,
        **(outcome(station, newest[0]) if newest else {}),
        "inspected": count(Filter(since=since)),
        "anomalous": count(Filter(since=since, anomalous=True)),
        "to_judge": count(Filter(since=since, anomalous=True, feedback="none")),
        "today": f"{today:%Y-%m-%dT%H:%M}",
    }
