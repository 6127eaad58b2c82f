"""Fills the templates of the station's pages; everything that goes in is escaped."""

from functools import cache
from typing import Any

import jinja2
from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from blemish.reports.numbers import percent, short_number
from blemish.station.health import Status
from blemish.station.learning import drift
from blemish.station.problems import StationError
from blemish.station.web import wording
from blemish.station.web.api import station_of


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """A whole page: the template's values, and how the station is."""
    return piece(request, template, status=status, **values, **condition(request))


def piece(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """What a script puts into a page."""
    origin = str(request.base_url).rstrip("/")
    text = _environment().get_template(template).render(path=request.url.path, origin=origin, **values)
    return HTMLResponse(text, status)


def condition(request: Request) -> dict[str, Any]:
    """What every page says of the station: its health, its model, and the warning of drift."""
    station = station_of(request)
    health = station.health()
    try:
        warning = drift.drift(station).message if health.status != Status.DOWN else ""
    except StationError:
        warning = ""  # the next look at the database says why
    return {
        "health": health,
        "model_name": station.shelf.active.name,
        "drift_warning": warning,
        "can_log_out": station.settings.token is not None,
    }


def authorised(request: Request) -> bool:
    """Whether the request came with what the guard asks for."""
    return bool(request.scope.get("state", {}).get("authorised", True))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("blemish.station.web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "percent": percent,
        "short": short_number,
        "score": wording.score,
        "moment": wording.moment,
        "full_moment": wording.full_moment,
        "data_size": wording.data_size,
        "several": wording.several,
    }
    environment.globals |= {"sources": wording.SOURCES, "zone": wording.zone}
    return environment
