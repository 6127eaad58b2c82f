"""Fills the templates of the station's pages; everything that goes in is escaped."""

import math
from typing import Any

import jinja2
from fastapi import Request, Response
from fastapi.templating import Jinja2Templates

from blemish.reports.numbers import percent, short_number
from blemish.station.errors import StationError
from blemish.station.learning import drift
from blemish.station.records import CalibrationRecord, Inspection
from blemish.station.schemas import Status
from blemish.station.station import Station
from blemish.station.web import formatting

templates = Jinja2Templates(
    env=jinja2.Environment(
        loader=jinja2.PackageLoader("blemish.station.web"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
)
templates.env.filters |= {"percent": percent, "short": short_number} | {
    name: getattr(formatting, name) for name in ("score", "moment", "full_moment", "several")
}
templates.env.globals |= {"sources": formatting.SOURCES, "zone": formatting.zone}


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """A whole page: the template's values, and how the station is."""
    return fragment(request, template, status=status, **values, **condition(request.app.state.station))


def fragment(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """What a script puts into a page."""
    return templates.TemplateResponse(request, template, values, status)


def condition(station: Station) -> dict[str, Any]:
    """What every page says of the station: its health, its model, and the warning of drift."""
    health = station.monitor.health()
    try:
        warning = drift.measure_drift(station).message if health.status != Status.DOWN else ""
    except StationError:
        warning = ""  # the next look at the database says why
    return {
        "health": health,
        "model_name": station.models.active.name,
        "drift_warning": warning,
        "can_log_out": station.settings.token is not None,
    }


def outcome(station: Station, inspection: Inspection) -> dict[str, Any]:
    """What a page says of a verdict: the calibration that gave it, how far the score reaches, the chance."""
    calibrated = _calibrated(station, inspection)
    p_value = inspection.p_value
    images = len(calibrated.scores) if calibrated else None
    return {
        "calibrated": calibrated,
        "bar": _bar(inspection, calibrated),
        "chance": "" if p_value is None else formatting.chance(p_value, images),
    }


def _calibrated(station: Station, inspection: Inspection) -> CalibrationRecord | None:
    """The calibration that gave a verdict, or None."""
    active = station.models.active.calibrated
    if inspection.calibration is None or inspection.model is None or inspection.calibration == active.id:
        return active if inspection.calibration == active.id else None
    records = station.store.calibrations(inspection.model)
    return next((record for record in records if record.id == inspection.calibration), None)


def _bar(inspection: Inspection, calibrated: CalibrationRecord | None) -> float | None:
    """How far a score reaches, in [0, 1], as heat does: 0 is the calibration's lowest, 1/3 the threshold, and
    each further third doubles the distance."""
    if inspection.score is None or inspection.threshold is None or calibrated is None:
        return None
    low = min(calibrated.scores)
    span = inspection.threshold - low or abs(low) or 1.0
    return min(1.0, math.log2(1 + max(0.0, (inspection.score - low) / span)) / 3)
