"""The rules of the model in use: drawn on a picture, tried on its held-out images, and put in force."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from blemish.station.learning import rules
from blemish.station.schemas import RulesPreview
from blemish.station.web.deps import AuthorDep, Engineer, Operator, RecipeDep, problems
from blemish.station.web.pages import page

Values = Annotated[dict[str, Any], Body(description="The fields of a rules file; its zones are `zone`.")]

router = APIRouter(tags=["operation"])
pages = APIRouter(include_in_schema=False)


@router.get("/rules", responses=problems())
def read_rules(recipe: RecipeDep, _: Operator) -> dict[str, Any]:
    """The rules in force."""
    return rules.in_force(recipe.models.active)


@router.put("/rules", responses=problems(409, 503))
def set_rules(recipe: RecipeDep, by: AuthorDep, values: Values) -> dict[str, Any]:
    """Write rules beside the model in use, in the place of those there; they hold from the next image on."""
    rules.save(recipe, values, by)
    return rules.in_force(recipe.models.active)


@router.post("/rules/preview", responses=problems(503))
def preview_rules(recipe: RecipeDep, _: Engineer, values: Values) -> RulesPreview:
    """What rules would make of the good images that the model was calibrated on."""
    return rules.preview(recipe, values)


@pages.get("/models/rules")
def rules_page(request: Request, recipe: RecipeDep, _: Engineer) -> Response:
    """Zones to draw on the latest good picture, sizes and rates."""
    shown, values = rules.picture(recipe), rules.in_force(recipe.models.active)
    size = values.get("picture") or (shown and (shown.width, shown.height))
    return page(request, "rules.html.j2", inspection=shown, values=values, size=size)
