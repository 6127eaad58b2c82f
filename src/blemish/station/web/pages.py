"""Fills the templates of the station's pages, and how they say numbers and times; what goes in is escaped."""

import math
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import Any
from urllib.parse import quote

import jinja2
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from fastapi.templating import Jinja2Templates

from blemish.images.frame import Frame, hidden, visible_share
from blemish.reports.numbers import chance, percent, score, several, short_number
from blemish.station.recipe import Recipe
from blemish.station.records import CalibrationRecord, Inspection, Source
from blemish.station.schemas import Health, Status
from blemish.station.station import DRIFT, Station

SIDE = 1280  # pixels of the longer side of pictures in pages, at most
SOURCES = {Source.API: "by the API", Source.PAGE: "by this page", Source.WATCH: "from the watched folder"}

templates = Jinja2Templates(
    env=jinja2.Environment(
        loader=jinja2.PackageLoader("blemish.station.web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
)


def page(
    request: Request, template: str, *, status: int = 200, recipe: Recipe | None = None, **values: Any
) -> Response:
    """A whole page, of a recipe if not the one its address names: the template's values, and how all is."""
    station: Station = request.app.state.station
    if recipe is None:
        recipe = station.recipes.get(request.path_params.get("recipe", ""), station.default)
    values |= place(station, recipe) | condition(station)
    return fragment(request, template, status=status, **values)


def fragment(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    return templates.TemplateResponse(request, template, values, status)


def download(name: str, kind: str, pieces: Iterator[Any]) -> Response:
    """A file of a media type, to be saved; it is sent while it is read from the database."""
    pieces = chain([next(pieces)], pieces)  # what goes wrong does so before the answer begins
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(pieces, media_type=kind, headers=headers)


def place(station: Station, recipe: Recipe) -> dict[str, Any]:
    """Of which recipe a page is: `at` begins the addresses of its pages, `narrowed` the gallery's query."""
    several = len(station.recipes) > 1
    return {
        "recipe": recipe,
        "recipes": list(station.recipes),
        "at": f"/recipes/{quote(recipe.name)}" if several else "",
        "narrowed": f"recipe={quote(recipe.name)}&" if several else "",
        "model_name": recipe.models.active.name,
        "watch": station.settings.by_recipe[recipe.name].watch,
    }


def condition(station: Station) -> dict[str, Any]:
    health = station.monitor.health()
    return {
        "health": health,
        "state": _state(health),
        "can_log_out": not station.settings.asks_nobody,
        "has_users": station.settings.users,
    }


def _state(health: Health) -> str:
    """In words that are none of a verdict."""
    troubled = [part.name for part in health.parts if part.message]
    if health.status == Status.DOWN:
        return "Stopped"
    if not troubled:
        return "Running"
    return "Drift announced" if all(name.startswith(DRIFT) for name in troubled) else "Needs attention"


def outcome(station: Station, inspection: Inspection) -> dict[str, Any]:
    """What a page says of a verdict: calibration, how far the score reaches, chance, what is hidden."""
    number = inspection.calibration
    calibrated = None if number is None else station.store.calibration_numbered(number)
    p_value = inspection.p_value
    images = len(calibrated.scores) if calibrated else None
    return {
        "calibrated": calibrated,
        "bar": _bar(inspection, calibrated),
        "chance": "" if p_value is None else chance(p_value, images),
        "hidden": "" if p_value is None else hidden_part(inspection, station.description(inspection)),
    }


def hidden_part(inspection: Inspection, description: dict[str, Any]) -> str:
    """`blemish.images.frame.hidden` of a picture by a model's description; "" where its size is unknown."""
    if not inspection.width:
        return ""
    seen = Frame.model_validate(description["frame"])
    return hidden(seen, visible_share(inspection.width, inspection.height, seen))


def _bar(inspection: Inspection, calibrated: CalibrationRecord | None) -> float | None:
    """How far a score reaches: 0 is the calibration's lowest, 1/3 the threshold; a third doubles the way."""
    if inspection.score is None or inspection.threshold is None or calibrated is None:
        return None
    low = min(calibrated.scores)
    span = inspection.threshold - low or abs(low) or 1.0
    return min(1.0, math.log2(1 + max(0.0, (inspection.score - low) / span)) / 3)


def moment(time: datetime) -> str:
    """A time in the station's time zone: "14:03:22" today, else "31 Mar 2026, 14:03"."""
    local = time.astimezone()
    if local.date() == datetime.now().astimezone().date():
        return f"{local:%H:%M:%S}"
    return f"{local.day} {local:%b %Y, %H:%M}"


def full_moment(time: datetime) -> str:
    """The same with everything: "31 Mar 2026, 14:03:22 CET"."""
    local = time.astimezone()
    return f"{local.day} {local:%b %Y, %H:%M:%S %Z}"


def zone() -> str:
    return f"{datetime.now().astimezone():%Z}"


templates.env.filters |= {"percent": percent, "short": short_number, "score": score}
templates.env.filters |= {"moment": moment, "full_moment": full_moment, "several": several}
templates.env.globals |= {"sources": SOURCES, "zone": zone, "side": SIDE, "drift_part": DRIFT}
