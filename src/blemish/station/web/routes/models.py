"""Which model gives the verdicts, and its rules: drawn on a picture, tried, and put in force."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from blemish.inference.rules import rules_from
from blemish.station.learning import rules
from blemish.station.records import Filter
from blemish.station.schemas import ModelState, RulesPreview
from blemish.station.web.deps import AuthorDep, Engineer, ModelName, Operator, RecipeDep
from blemish.station.web.pages import hidden_part, page

Values = Annotated[dict[str, Any], Body(description="The fields of a rules file; its zones are `zone`.")]

router = APIRouter(tags=["operation"])
pages = APIRouter(include_in_schema=False)


@router.get("/models")
def list_models(recipe: RecipeDep, _: Operator) -> list[ModelState]:
    return recipe.models.states()


@router.post("/models/{name}/use")
def use_model(recipe: RecipeDep, by: AuthorDep, name: ModelName) -> ModelState:
    """Load a model, for the verdicts from the next image on; those in hand are finished with the old one."""
    return recipe.models.use(name, by)


@router.get("/rules")
def read_rules(recipe: RecipeDep, _: Operator) -> dict[str, Any]:
    return rules.in_force(recipe.models.active)


@router.put("/rules")
def set_rules(recipe: RecipeDep, by: AuthorDep, values: Values) -> dict[str, Any]:
    """Write rules beside the model in use, in the place of those there; they hold from the next image on."""
    active = recipe.models.active
    recipe.models.set_rules(active, rules_from(values, active.path.absolute().parent), by)
    return rules.in_force(recipe.models.active)


@router.post("/rules/preview")
def preview_rules(recipe: RecipeDep, _: Engineer, values: Values) -> RulesPreview:
    """What rules would make of the good images that the model was calibrated on."""
    return rules.preview(recipe, values)


@pages.get("/models")
def models_page(request: Request, recipe: RecipeDep, _: Engineer) -> Response:
    latest = recipe.store.select(Filter(recipe=recipe.name), limit=1)
    description = recipe.models.active.detector.metadata
    shown = hidden_part(latest[0], description) if latest else ""
    return page(request, "models.html.j2", models=recipe.models.states(), hidden=shown)


@pages.get("/models/rules")
def rules_page(request: Request, recipe: RecipeDep, _: Engineer) -> Response:
    shown, values = rules.picture(recipe), rules.in_force(recipe.models.active)
    size = values.get("picture") or (shown and (shown.width, shown.height))
    return page(request, "rules.html.j2", inspection=shown, values=values, size=size)
