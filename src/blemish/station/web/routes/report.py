"""The report of a shift or a day, to be read and printed."""

from collections import Counter
from datetime import date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from blemish.evaluation.statistics import exact_interval
from blemish.station.records import Filter, outcome_of
from blemish.station.web.deps import Operator, RecipeDep, StationDep
from blemish.station.web.pages import page

COUNTED = ("is_anomalous", "verdict", "feedback", "decided_by", "defect_kind")

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
    outcomes, reasons, kinds = Counter[str](), Counter[str](), Counter[str]()
    judged = Counter[tuple[str, str | None]]()
    for (*verdict, feedback, decided_by, kind), count in station.store.tally(period, *COUNTED).items():
        outcome = outcome_of(*verdict)
        outcomes[outcome] += count
        judged[outcome, feedback] += count
        if decided_by and outcome != "good":
            reasons[decided_by] += count
        if kind:
            kinds[kind] += count
    scored = outcomes.total() - outcomes["failed"]
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
        kinds=kinds.most_common(),
        models=[model for (model,) in station.store.tally(period, "model") if model],
        model=station.store.model,
        changes=recipe.changes(since=since, until=until),
        step=timedelta(hours=hours),
    )
