"""The station's pages. Their scripts fetch what changes later: pieces of HTML from here, JSON from /v1."""

import math
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from blemish.images.drawing import heat_colours
from blemish.station.learning import threshold
from blemish.station.learning.drift import drift
from blemish.station.problems import NotFound, Unusable
from blemish.station.records import LARGEST_NUMBER, CalibrationRecord, Filter, Inspection
from blemish.station.settings import MIN_RATE
from blemish.station.shelf import verdicts_of
from blemish.station.station import Station
from blemish.station.web import charts, wording
from blemish.station.web.api import Number, station_of
from blemish.station.web.control import in_force
from blemish.station.web.login import cookie_name, is_token, local_path, login_cookie
from blemish.station.web.render import authorised, condition, page, piece
from blemish.station.web.selection import Selection

LATEST = 24  # on the live page
PER_PAGE = 48  # in the gallery
PERIODS = (200, 1000, 5000)  # inspections in the history
IN_TABLE = 200  # of them
TO_JUDGE = 12  # suggested at once
REVIEWED = 200  # at most, of a list to go through

router = APIRouter(include_in_schema=False)

After = Annotated[int | None, Query(ge=0, le=LARGEST_NUMBER)]


@router.get("/")
def live(request: Request) -> Response:
    """What is inspected now."""
    return page(request, "live.html.j2", **_latest(station_of(request)))


@router.get("/live")
def live_piece(request: Request, after: After = None) -> Response:
    """What of the live page changes; 204 when nothing is newer than `after`."""
    station = station_of(request)
    if after is not None and not station.store.select(Filter(), limit=1, after=after):
        return Response(status_code=204)
    return piece(request, "latest.html.j2", **_latest(station))


@router.get("/condition")
def condition_piece(request: Request) -> Response:
    """How the station is, for every page."""
    return piece(request, "condition.html.j2", **condition(request))


@router.get("/inspections")
def gallery(request: Request, before: After = None, after: After = None) -> Response:
    """All inspections, narrowed by a form."""
    store, selection, problem = station_of(request).store, Selection.read(request.query_params), ""
    found: list[Inspection] = []
    count, newer, older = 0, None, None
    try:
        wanted = selection.filter
        found = store.select(wanted, limit=PER_PAGE, before=before, after=after)
        if after is not None and len(found) < PER_PAGE:
            found = store.select(wanted, limit=PER_PAGE)  # the newest are few: a whole page of them
        if found:
            newer = found[0].id if store.select(wanted, limit=1, after=found[0].id) else None
            older = found[-1].id if store.select(wanted, limit=1, before=found[-1].id) else None
        count = store.count(wanted)
    except Unusable as error:
        problem = str(error)
    return page(
        request,
        "gallery.html.j2",
        status=422 if problem else 200,
        inspections=found,
        selection=selection,
        problem=problem,
        count=count,
        newer=newer,
        older=older,
    )


@router.get("/inspections/{number}")
def inspection(request: Request, number: Number) -> Response:
    """One inspection, to look at and to judge; the query says among which others."""
    station = station_of(request)
    found = station.store.get(number)
    before, after, among = _neighbours(station, request, number)
    calibration = _calibration(station, found)
    return page(
        request,
        "inspection.html.j2",
        inspection=found,
        model=None if found.model is None else station.store.model(found.model),
        calibration=calibration,
        bar=_bar(found, calibration),
        chance=_chance(found, calibration),
        previous=before,
        next=after,
        among=among,
        colours=heat_colours(np.linspace(0, 1, 256)).tobytes().hex(),
    )


@router.get("/history")
def history(request: Request, last: int = PERIODS[0]) -> Response:
    """The scores of the active model over time."""
    if last not in PERIODS:
        raise Unusable(f"last is one of {', '.join(map(str, PERIODS))}, not {last}; choose one.")
    station = station_of(request)
    active = station.shelf.active
    points = station.store.points(Filter(model=active.fingerprint), last)
    verdicts = active.verdicts
    return page(
        request,
        "history.html.j2",
        points=points,
        table=points[: -IN_TABLE - 1 : -1],
        periods=PERIODS,
        last=last,
        most=charts.MOST_POINTS,
        chart=charts.history_chart(points, verdicts) if points else "",
        distribution=charts.distribution_chart(points, verdicts) if points else "",
        drift=drift(station),
    )


@router.get("/threshold")
def threshold_page(request: Request) -> Response:
    """The false-alarm rate, and what feedback can teach it."""
    station = station_of(request)
    active = station.shelf.active
    numbers = threshold.sample(station, TO_JUDGE)
    return page(
        request,
        "threshold.html.j2",
        force=in_force(active),
        evidence=threshold.evidence(station),
        to_judge=_those_left(station, numbers),
        review=",".join(map(str, numbers)),
        history=[(record, verdicts_of(record)) for record in station.store.calibrations(active.fingerprint)],
    )


@router.get("/threshold/preview")
def preview_piece(
    request: Request, false_alarm_rate: Annotated[float, Query(ge=MIN_RATE, lt=1, allow_inf_nan=False)]
) -> Response:
    """What another rate would have meant."""
    station = station_of(request)
    preview = threshold.preview(station, false_alarm_rate)
    return piece(request, "preview.html.j2", preview=preview, changing=_those_left(station, preview.changed))


@router.get("/models")
def models(request: Request) -> Response:
    """The models to choose from."""
    return page(request, "models.html.j2", models=station_of(request).shelf.states())


@router.get("/login")
def login(request: Request, next: str = "/") -> Response:
    """Asks for the token."""
    if authorised(request):
        return RedirectResponse(local_path(next), 303)
    return piece(request, "login.html.j2", next=local_path(next), problem="")


@router.post("/login")
async def log_in(
    request: Request, token: Annotated[str, Form()] = "", next: Annotated[str, Form()] = "/"
) -> Response:
    """Lets in who knows the token."""
    settings = station_of(request).settings
    if settings.token is None or await is_token(settings, token.strip()):
        response = RedirectResponse(local_path(next), 303)
        if settings.token is not None:
            response.set_cookie(**login_cookie(settings, request.headers.get("origin", "")))
        return response
    problem = "This is not the token of this station; look at how it was set up."
    return piece(request, "login.html.j2", status=401, next=local_path(next), problem=problem)


@router.post("/logout")
def log_out(request: Request) -> Response:
    """Makes the browser forget the login."""
    settings = station_of(request).settings
    response = RedirectResponse("/login" if settings.token is not None else "/", 303)
    response.delete_cookie(cookie_name(settings))
    return response


def error_page(request: Request, status: int, sentence: str) -> Response:
    """What went wrong, for people."""
    show = page if authorised(request) else piece
    template = "problem.html.j2" if authorised(request) else "refusal.html.j2"
    return show(request, template, status=status, code=status, sentence=sentence)


def _latest(station: Station) -> dict[str, Any]:
    """What the live page shows."""
    store = station.store
    newest = store.select(Filter(), limit=LATEST)
    today = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    first = newest[0] if newest else None
    calibration = _calibration(station, first) if first else None
    return {
        "inspections": newest,
        "bar": _bar(first, calibration) if first else None,
        "chance": _chance(first, calibration) if first else "",
        "inspected": store.count(Filter(since=today)),
        "anomalous": store.count(Filter(since=today, anomalous=True)),
        "to_judge": store.count(Filter(since=today, anomalous=True, feedback="none")),
        "today": f"{today.astimezone():%Y-%m-%dT%H:%M}",
    }


def _those_left(station: Station, numbers: Iterable[int]) -> list[Inspection]:
    """The inspections of these numbers that have not been deleted meanwhile."""
    found = []
    for number in numbers:
        with suppress(NotFound):
            found.append(station.store.get(number))
    return found


def _neighbours(station: Station, request: Request, number: int) -> tuple[str, str, str]:
    """Addresses of the inspections before and after this one, and of all that are gone through, or ""."""
    review = request.query_params.get("review", "")
    if review:
        numbers = [part for part in review.split(",")[:REVIEWED] if part.isdecimal()]
        place = numbers.index(str(number)) if str(number) in numbers else None
        ends = ([], []) if place is None else (numbers[max(0, place - 1) : place], numbers[place + 1 :])
        before, after = (f"/inspections/{end[0]}?review={','.join(numbers)}" if end else "" for end in ends)
        return before, after, "/threshold"
    selection = Selection.read(request.query_params)
    query = f"?{selection.query}" if selection.query else ""
    back = replace(selection, judged="") if selection.judged == "none" else selection  # to mend a slip
    newer = station.store.select(back.filter, limit=1, after=number)
    older = station.store.select(selection.filter, limit=1, before=number)
    before, after = (f"/inspections/{found[0].id}{query}" if found else "" for found in (newer, older))
    return before, after, f"/inspections{query}"


def _calibration(station: Station, inspection: Inspection) -> CalibrationRecord | None:
    """The calibration that gave a verdict, or None."""
    active = station.shelf.active.calibration
    if inspection.calibration == active.id or inspection.model is None:
        return active if inspection.calibration is not None else None
    records = station.store.calibrations(inspection.model)
    return next((record for record in records if record.id == inspection.calibration), None)


def _bar(inspection: Inspection, calibration: CalibrationRecord | None) -> float | None:
    """How far a score reaches, in [0, 1], as heat does: 0 is the calibration's lowest, 1/3 the threshold, and
    each further third doubles the distance."""
    if inspection.score is None or inspection.threshold is None or calibration is None:
        return None
    low = min(calibration.scores)
    span = inspection.threshold - low or abs(low) or 1.0
    return min(1.0, math.log2(1 + max(0.0, (inspection.score - low) / span)) / 3)


def _chance(inspection: Inspection, calibration: CalibrationRecord | None) -> str:
    if inspection.p_value is None:
        return ""
    return wording.chance(inspection.p_value, len(calibration.scores) if calibration else None)
