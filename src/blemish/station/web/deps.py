"""What routes are given."""

from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request

from blemish.station.recipe import Recipe
from blemish.station.records import LARGEST_NUMBER, Inspection
from blemish.station.schemas import Problem
from blemish.station.station import Station


async def get_station(request: Request) -> Station:
    """The station behind a request."""
    station: Station = request.app.state.station
    return station


StationDep = Annotated[Station, Depends(get_station)]


async def name_recipe(recipe: Annotated[str, Path(description="Name of the recipe.")]) -> None:
    """For the OpenAPI document: the addresses that `get_recipe` looks at."""


async def get_recipe(request: Request, station: StationDep) -> Recipe:
    """The recipe that an address names, else the default one."""
    return station.recipe(request.path_params.get("recipe"))


RecipeDep = Annotated[Recipe, Depends(get_recipe)]
RecordNumber = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="Of the record.")]
ModelName = Annotated[str, Path(max_length=255, description="A model's file name, as the list has it.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Sending the same again under its key gives the inspections that are there already.",
    ),
]


def get_inspection(number: RecordNumber, station: StationDep) -> Inspection:
    """The inspection of an address; NotFound where there is none of this number."""
    return station.store.get(number)


InspectionDep = Annotated[Inspection, Depends(get_inspection)]


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document: a route's answers beside success, those that every route has among them."""
    return {code: {"model": Problem} for code in (400, 401, 403, 413, 422, *codes)}
