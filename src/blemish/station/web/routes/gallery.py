"""The gallery of all inspections, the page of one, to look at and to judge, and the report of a shift."""

from collections import Counter
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import Annotated
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Query, Request, Response

from blemish.evaluation.statistics import exact_interval
from blemish.images.drawing import heat_colours
from blemish.inference.regions import Region, outlines
from blemish.station.errors import NotFound
from blemish.station.records import Filter, outcome_of
from blemish.station.schemas import GalleryQuery
from blemish.station.storage.store import Store
from blemish.station.web.deps import InspectionDep, Operator, RecipeDep, StationDep
from blemish.station.web.pages import outcome, page, place
from blemish.station.web.routes.pictures import regions_of

PER_PAGE = 48
REVIEWED = 200  # at most, of a list to go through
NOT_NARROWING = ("limit", "before", "after", "review")
COUNTED = ("is_anomalous", "verdict", "feedback", "decided_by", "defect_kind")

router = APIRouter(prefix="/inspections", include_in_schema=False)
report = APIRouter(include_in_schema=False)  # of a recipe


@router.get("")
def gallery(
    request: Request, station: StationDep, _: Operator, query: Annotated[GalleryQuery, Query()]
) -> Response:
    select = station.store.select
    found = select(query, limit=PER_PAGE, before=query.before, after=query.after)
    if query.after is not None and len(found) < PER_PAGE:
        found = select(query, limit=PER_PAGE)  # the newest are few: a whole page of them
    return page(
        request,
        "gallery.html.j2",
        recipe=station.recipes.get(query.recipe or "", station.default),
        known=[(name, name) for name in station.recipes],
        kinds=[(kind, kind) for kind in station.store.defect_kinds(query.recipe)],
        inspections=found,
        asked=request.query_params,
        query=_narrowing(request),
        as_filter=urlencode(
            Filter.model_validate(query, from_attributes=True).model_dump(mode="json", exclude_none=True)
        ),
        count=station.store.count(query),
        newer=found[0].id if found and select(query, limit=1, after=found[0].id) else None,
        older=found[-1].id if found and select(query, limit=1, before=found[-1].id) else None,
    )


@router.get("/{number}")
def inspection_page(
    request: Request, station: StationDep, inspection: InspectionDep, query: Annotated[GalleryQuery, Query()]
) -> Response:
    """One inspection; the query says among which others."""
    recipe = station.recipe_of(inspection)
    if query.review:
        among = f"{place(station, recipe)['at']}/judge"
        before, after = _in_review(station.store, query.review, inspection.id, among)
    else:
        before, after, among = _in_gallery(station.store, query, inspection.id, _narrowing(request))
    regions: tuple[Region, ...] = ()
    with suppress(NotFound):
        regions = regions_of(station, inspection)
    return page(
        request,
        "inspection.html.j2",
        recipe=recipe,
        inspection=inspection,
        **outcome(station, inspection),
        regions=regions,
        polygons=[polygon.round(2).tolist() for polygon in outlines(regions)],
        model=None if inspection.model is None else station.store.model(inspection.model),
        previous=before,
        next=after,
        among=among,
        kinds=station.store.defect_kinds(inspection.recipe),
        colours=heat_colours(np.linspace(0, 1, 256)).tobytes().hex(),
    )


@report.get("/report")
def report_page(
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
    )


def _narrowing(request: Request) -> str:
    """The filters of an address as a query for others: "verdict=anomalous&feedback=none"."""
    fields = GalleryQuery.model_fields.keys() - set(NOT_NARROWING)
    return urlencode([(name, text) for name, text in request.query_params.items() if text and name in fields])


def _in_review(store: Store, review: str, number: int, end: str) -> tuple[str, str]:
    """Addresses of the inspection before this one, or "", and of the next that nobody judged, or `end`."""
    numbers = [int(part) for part in review.split(",")[:REVIEWED] if part.isdecimal()]
    place = numbers.index(number) if number in numbers else 0
    unjudged = [one.id for one in store.get_many(numbers[place + 1 :]) if one.feedback is None]
    query = f"?review={','.join(map(str, numbers))}"
    before = f"/inspections/{numbers[place - 1]}{query}" if place else ""
    return before, f"/inspections/{unjudged[0]}{query}" if unjudged else end


def _in_gallery(store: Store, query: GalleryQuery, number: int, narrowing: str) -> tuple[str, str, str]:
    """The same among those of the gallery, and the address of all of them."""
    end = f"?{narrowing}" if narrowing else ""
    judged_too = query.model_copy(update={"feedback": None})  # the way back, to mend a slip
    newer = store.select(judged_too if query.feedback == "none" else query, limit=1, after=number)
    older = store.select(query, limit=1, before=number)
    before, after = (f"/inspections/{found[0].id}{end}" if found else "" for found in (newer, older))
    return before, after, f"/inspections{end}"
