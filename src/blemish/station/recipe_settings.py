"""How a recipe is set up: which model judges which pictures."""

import re
from itertools import permutations
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, DirectoryPath, Field, ValidationError, model_validator
from pydantic.aliases import AliasChoices
from pydantic_core import ErrorDetails, PydanticCustomError

from blemish.errors import ConfigError
from blemish.files import read_toml
from blemish.station.schemas import Rate

NAME = re.compile(r"\w[\w-]{0,39}")
RATE_NAMES = AliasChoices("false_alarm_rate", "rate")


class RecipeSettings(BaseModel):
    """One table of a file of recipes; the rules beside its model are in force with it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    model: Path | None = Field(None, description="A model file; .onnx from export is best.")
    models: DirectoryPath | None = Field(None, description="Folder of further model files to choose from.")
    watch: DirectoryPath | None = Field(None, description="Inspect the images that appear in this folder.")
    move_to: Path | None = Field(None, description="Where they go then, by verdict; without it they stay.")
    fitted_to: DirectoryPath | None = Field(None, description="What it was fitted to, for the next fit.")
    weights: Path | None = Field(None, description="File of the backbone's weights, for the next fit.")
    false_alarm_rate: Rate | None = Field(
        None, description="Of good images, for a model new to the station.", validation_alias=RATE_NAMES
    )

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, values: dict[str, Any]) -> dict[str, Any]:
        for field, value in values.items():
            if value == "":
                raise wrong(field, "is empty; give it a value or leave it out")
        return values

    @model_validator(mode="after")
    def _movable(self) -> Self:
        if self.move_to is not None:
            if self.watch is None:
                raise wrong("move_to", "needs watch; say which folder images are taken from")
            if self.watch.resolve().is_relative_to(self.move_to.resolve()):
                raise wrong("move_to", f"{self.move_to} is the watched folder or around it; give another")
        return self


def wrong(field: str, why: str) -> PydanticCustomError:
    """An error of one field: `why` goes on after its name."""
    return PydanticCustomError("station", "{why}", {"field": field, "why": why})


def first_of(error: ValidationError) -> tuple[ErrorDetails, str, str]:
    """The first thing that is wrong, its field, and what goes on after that."""
    first = error.errors(include_url=False, include_input=False)[0]
    field, why = first.get("ctx", {}).get("field") or str(first["loc"][0]), first["msg"].removesuffix(".")
    return first, field, why if why.startswith("URL") else f"{why[0].lower()}{why[1:]}"


def read_recipes(file: Path) -> dict[str, RecipeSettings]:
    """The recipes of a TOML file, by name, in its order; the first is the default one.

    ConfigError: it cannot be read, has no table, or one of them cannot be used; names file and field.
    """
    recipes = {name: _recipe(file, name, values) for name, values in read_toml(file).items()}
    if not recipes:
        raise ConfigError(f'{file} has no recipe; write one: [bottle], and below it model = "bottle.onnx".')
    for (name, one), (other, another) in permutations(recipes.items(), 2):
        for field, folder in (("watch", one.watch), ("move_to", one.move_to)):
            if folder and another.watch and folder.resolve().is_relative_to(another.watch.resolve()):
                why = f"{folder} lies in the folder that [{other}] watches; give another"
                raise ConfigError(f"{file}: [{name}] {field}: {why}.")
    return recipes


def recipe_name(model: Path) -> str:
    """The name of the only recipe of a station, after its model's file."""
    return re.sub(r"[^\w-]+|^-+", "_", model.stem)[:40]


def _recipe(file: Path, name: str, values: object) -> RecipeSettings:
    place = f"{file}: [{name}]"
    if not NAME.fullmatch(name):
        raise ConfigError(f"{place} is no name for a recipe; use 40 letters, digits, _ and - at most.")
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: {name} stands outside a recipe; write it below a line such as [bottle].")
    try:
        recipe = RecipeSettings.model_validate(values)
    except ValidationError as error:
        first, field, why = first_of(error)
        if first["type"] == "extra_forbidden":
            why = f"there is no such field; it takes {', '.join(RecipeSettings.model_fields)}"
        raise ConfigError(f"{place} {field}: {why}.") from None
    if recipe.model is None or not recipe.model.is_file():
        what = f"there is no file {recipe.model}" if recipe.model else "is missing"
        raise ConfigError(f"{place} model: {what}; name a model file.")
    return recipe
