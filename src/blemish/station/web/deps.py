"""What routes are given."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Path, Query, Request

from blemish.station.errors import NotFound, Unusable
from blemish.station.recipe import Recipe
from blemish.station.records import LARGEST_NUMBER, MAX_NOTE, Author, Inspection, Role, Text, User
from blemish.station.station import Station
from blemish.station.storage.accounts import Accounts


async def get_station(request: Request) -> Station:
    station: Station = request.app.state.station
    return station


StationDep = Annotated[Station, Depends(get_station)]


@dataclass(frozen=True)
class Requires:
    """Refuses (403) whose role does not include another; None lets in whoever comes. Every route has one."""

    role: Role | None

    async def __call__(self, request: Request) -> User | None:
        user: User | None = request.state.user
        if self.role and not (user and user.role.may(self.role)):
            role = user.role if user else "none"
            raise HTTPException(403, f"This needs the role {self.role}, and yours is {role}; ask an admin.")
        return user


Anyone = Annotated[User | None, Depends(Requires(None))]
Machine = Annotated[User, Depends(Requires(Role.MACHINE))]
Operator = Annotated[User, Depends(Requires(Role.OPERATOR))]
Engineer = Annotated[User, Depends(Requires(Role.ENGINEER))]
Admin = Annotated[User, Depends(Requires(Role.ADMIN))]


async def name_recipe(recipe: Annotated[str, Path(description="Name of the recipe.")]) -> None:
    """For the OpenAPI document: the addresses that `get_recipe` looks at."""


async def get_recipe(request: Request, station: StationDep) -> Recipe:
    """The recipe that an address names, else the default one."""
    return station.recipe(request.path_params.get("recipe"))


RecipeDep = Annotated[Recipe, Depends(get_recipe)]
RecordNumber = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="Of the record.")]
ModelName = Annotated[str, Path(max_length=255, description="A model's file name, as the list has it.")]


def get_author(
    station: StationDep,
    user: Engineer,
    why: Annotated[Text, Query(max_length=MAX_NOTE, description="In a sentence; a must with users.")] = "",
) -> Author:
    """Who changes a threshold, a model or rules, and why; Unusable where users do not say so."""
    if station.accounts is not None and not why.strip():
        raise Unusable("Say why in a sentence, for the audit trail: ?why=... in the address.")
    return Author(user.name, why.strip())


AuthorDep = Annotated[Author, Depends(get_author)]


def get_accounts(station: StationDep) -> Accounts:
    """The users; NotFound where there are none."""
    if station.accounts is None:
        raise NotFound("This station has no users; start it with --users to have some.")
    return station.accounts


AccountsDep = Annotated[Accounts, Depends(get_accounts)]


def get_inspection(number: RecordNumber, station: StationDep, _: Operator) -> Inspection:
    """The inspection of an address; NotFound where there is none of this number."""
    return station.store.get(number)


InspectionDep = Annotated[Inspection, Depends(get_inspection)]
