"""The report of a shift or a day, to be read and printed."""

from collections import Counter
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from blemish.evaluation.statistics import exact_interval
from blemish.station.errors import NotFound
from blemish.station.records import Filter, Inspection, outcome_of
from blemish.station.station import Station
from blemish.station.web.deps import Operator, RecipeDep, StationDep
from blemish.station.web.pages import page
from blemish.station.web.routes.pictures import regions_of

LOCATED = 100  # alarms whose regions are looked for, at most
DOWN, ACROSS = ("top", "middle", "bottom"), ("left", "centre", "right")
COUNTED = ("is_anomalous", "verdict", "feedback", "decided_by")

router = APIRouter(include_in_schema=False)


@router.get("/report")
def report(
    request: Request,
    station: StationDep,
    recipe: RecipeDep,
    _: Operator,
    day: date | None = None,
    start: time = time(0),
    hours: Annotated[int, Query(ge=1, le=168)] = 24,
) -> Response:
    """What was received in so many hours from a time of the station's zone on; unasked today."""
    begin = datetime.combine(day or date.today(), start.replace(tzinfo=None))
    since, until = begin.astimezone(), (begin + timedelta(hours=hours)).astimezone()
    period = Filter(recipe=recipe.name, since=since, until=until)
    outcomes, judged, reasons = Counter[str](), Counter[tuple[str, str | None]](), Counter[str]()
    for (*verdict, feedback, decided_by), count in station.store.tally(period, *COUNTED).items():
        outcome = outcome_of(*verdict)
        outcomes[outcome] += count
        judged[outcome, feedback] += count
        if decided_by and outcome != "good":
            reasons[decided_by] += count
    scored = outcomes.total() - outcomes["failed"]
    alarms = station.store.select(period.model_copy(update={"anomalous": True}), limit=LOCATED)
    return page(
        request,
        "report.html.j2",
        since=since,
        until=until,
        start=f"{start:%H:%M}",
        hours=hours,
        outcomes=outcomes,
        judged=judged,
        scored=scored,
        interval=exact_interval(outcomes["anomalous"], scored) if scored else None,
        reasons=reasons.most_common(),
        places=Counter(_place(station, alarm) for alarm in alarms).most_common(),
        models=[model for (model,) in station.store.tally(period, "model") if model],
        model=station.store.model,
        changes=recipe.changes(since=since, until=until),
        step=timedelta(hours=hours),
    )


def _place(station: Station, inspection: Inspection) -> str:
    """In which ninth of the picture its hottest region lies."""
    with suppress(NotFound):
        if regions := regions_of(station, inspection):
            x, y = regions[0].centre
            down, across = int(3 * y / inspection.height), int(3 * x / inspection.width)
            return f"{DOWN[min(down, 2)]} {ACROSS[min(across, 2)]}"
    return "no region"
