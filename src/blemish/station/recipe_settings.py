"""The recipes of a station, as they are set up: which model judges which pictures."""

import re
from itertools import permutations
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, DirectoryPath, FilePath, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from blemish.errors import ConfigError
from blemish.files import read_toml
from blemish.station.schemas import Rate

NAME = re.compile(r"\w[\w-]{0,39}")


class RecipeSettings(BaseModel):
    """One table of a recipes file.

    Attributes:
        model: the model file that gives the verdicts; rules beside it are in force with it.
        models: folder of further model files to choose from.
        watch: folder whose new images are inspected.
        move_to: where they go then.
        rate: share of good parts that may be called anomalous, for a model that is new to the recipe.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    model: FilePath
    models: DirectoryPath | None = None
    watch: DirectoryPath | None = None
    move_to: Path | None = None
    rate: Rate | None = None

    @model_validator(mode="after")
    def _usable(self) -> Self:
        check_move(self.watch, self.move_to)
        return self


def check_move(watch: Path | None, move_to: Path | None) -> None:
    """PydanticCustomError where images cannot be moved there from the watched folder."""
    if move_to is None:
        return
    if watch is None:
        raise wrong("move_to", "needs watch; say which folder images are taken from")
    if watch.resolve().is_relative_to(move_to.resolve()):
        raise wrong("move_to", f"{move_to} is the watched folder or around it; give another")


def wrong(field: str, why: str) -> PydanticCustomError:
    """An error of one field: `why` goes on after its name."""
    return PydanticCustomError("station", "{why}", {"field": field, "why": why})


def read_recipes(file: Path) -> dict[str, RecipeSettings]:
    """The recipes of a TOML file, by name, in its order; the first is the default one.

    Raises:
        ConfigError: it cannot be read, has no table, or one of them cannot be used; names file and field.
    """
    recipes = {name: _recipe(file, name, values) for name, values in read_toml(file).items()}
    if not recipes:
        raise ConfigError(f'{file} has no recipe; write one: [bottle], and below it model = "bottle.onnx".')
    for (name, one), (other, another) in permutations(recipes.items(), 2):
        if another.watch is None:
            continue
        for field, folder in (("watch", one.watch), ("move_to", one.move_to)):
            if folder is not None and folder.resolve().is_relative_to(another.watch.resolve()):
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
    for field, value in values.items():
        if value == "":
            raise ConfigError(f"{place} {field}: is empty; give it a value or leave it out.")
    try:
        return RecipeSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    field = first.get("ctx", {}).get("field") or str(first["loc"][0])
    message = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    if first["type"] == "extra_forbidden":
        message = f"there is no such field; it takes {', '.join(RecipeSettings.model_fields)}"
    elif first["type"] == "missing":
        message = "is missing; name a model file"
    elif first["type"] != "station":  # which says what was given
        message += f" ({values[field]})"
    raise ConfigError(f"{place} {field}: {message}.")
