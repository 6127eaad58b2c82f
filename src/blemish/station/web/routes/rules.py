"""The rules of the model in use: drawn on a picture, tried on its held-out images, and put in force."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from blemish.station.learning import rules
from blemish.station.schemas import RulesPreview
from blemish.station.web.deps import AuthorDep, Engineer, Operator, StationDep, problems
from blemish.station.web.pages import page

Values = Annotated[dict[str, Any], Body(description="The fields of a rules file; its zones are `zone`.")]

router = APIRouter(tags=["operation"])


@router.get("/v1/rules", responses=problems())
def read_rules(station: StationDep, _: Operator) -> dict[str, Any]:
    """The rules in force."""
    return rules.in_force(station.models.active)


@router.put("/v1/rules", responses=problems(409, 503))
def set_rules(station: StationDep, by: AuthorDep, values: Values) -> dict[str, Any]:
    """Write rules beside the model in use, in the place of those there; they hold from the next image on."""
    rules.save(station, values, by)
    return rules.in_force(station.models.active)


@router.post("/v1/rules/preview", responses=problems(503))
def preview_rules(station: StationDep, _: Engineer, values: Values) -> RulesPreview:
    """What rules would make of the good images that the model was calibrated on."""
    return rules.preview(station, values)


@router.get("/models/rules", include_in_schema=False)
def rules_page(request: Request, station: StationDep, _: Engineer) -> Response:
    """Zones to draw on the latest good picture, sizes and rates."""
    shown, values = rules.picture(station), rules.in_force(station.models.active)
    size = values.get("picture") or (shown and (shown.width, shown.height))
    return page(request, "rules.html.j2", inspection=shown, values=values, size=size)
