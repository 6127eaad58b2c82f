"""Images in, inspections out."""

import asyncio
import time
from concurrent.futures import Future
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Form, Header, HTTPException, Query, Request, Response, UploadFile
from pydantic import StringConstraints

from blemish.station.errors import Busy, StationError, TooSlow, Unusable
from blemish.station.pipeline import Pipeline
from blemish.station.recipe import Recipe
from blemish.station.records import MAX_NAME, Author, Filter, Inspection, Source
from blemish.station.schemas import Feedback, InspectionPage, Outcome, Outcomes, PageQuery
from blemish.station.spreadsheet import INSPECTION, csv_of
from blemish.station.web.deps import InspectionDep, Machine, Operator, RecipeDep, RecordNumber, StationDep
from blemish.station.web.pages import download

PATIENCE = 0.01  # seconds between looks at a full queue
ONE_FILE = {"schema": {"type": "string", "format": "binary"}}
F = TypeVar("F", bound=Filter)
Part = Annotated[str, StringConstraints(max_length=MAX_NAME)]
BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": ONE_FILE}}}

SAME_AGAIN = "Sending the same again under its key gives the inspections that are there already."
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200, description=SAME_AGAIN)
]

router = APIRouter(tags=["inspections"])  # of a recipe
one = APIRouter(prefix="/v1/inspections/{number}", tags=["inspections"])  # numbers count for all recipes


@router.post("/inspect", status_code=201, openapi_extra=BODY)
async def inspect(
    request: Request,
    station: StationDep,
    recipe: RecipeDep,
    _: Machine,
    name: Annotated[str, Query(max_length=MAX_NAME, description="What to call the image.")] = "",
    lot: Annotated[Part, Query(description="Of the part; else what the name tells.")] = "",
    serial: Annotated[Part, Query(description="Serial number of the part, likewise.")] = "",
    key: IdempotencyKey = None,
) -> Inspection:
    """Inspect one image: the body is the content of a PNG, JPEG, BMP, TIFF or WebP file.

    The answer comes once the inspection is on the disk.
    """
    station.pipeline.check(recipe)
    data = await request.body()
    key_here = None if key is None else recipe.key(f"api:{key}")
    submit, source = station.pipeline.submit, Source.API
    future = submit(recipe, data, source=source, name=name, lot=lot, serial=serial, key=key_here)
    return await _finished(future, time.monotonic() + station.settings.timeout)


@router.post("/inspections", status_code=201)
async def inspect_many(
    station: StationDep,
    recipe: RecipeDep,
    _: Machine,
    images: list[UploadFile],
    lot: Annotated[Part, Form(description="Of all of them; else what each name tells.")] = "",
    serial: Annotated[list[Part], Form(description="Serial numbers: none, or one for each image.")] = [],  # noqa: B006
    key: IdempotencyKey = None,
    source: Annotated[str | None, Header(alias="X-Blemish-Source", include_in_schema=False)] = None,
) -> Outcomes:
    """Inspect several images: form fields `images`, each a file.

    An image that cannot be used has an error in its place; the others are inspected all the same.
    """
    most = station.settings.max_images
    if len(images) > most:
        raise HTTPException(413, f"{len(images)} images came at once; send at most {most}.")
    if serial and len(serial) != len(images):
        counts = f"There are {len(images)} images and {len(serial)} serial"
        raise Unusable(f"{counts}; send one for each image, or none.")
    deadline = time.monotonic() + station.settings.timeout
    source_of_all = Source.PAGE if source == Source.PAGE else Source.API
    waiting: list[Future[Inspection]] = []
    for place, image in enumerate(images):
        told: dict[str, Any] = {"source": source_of_all, "lot": lot}
        told["serial"] = serial[place] if serial else ""
        told["key"] = None if key is None else recipe.key(f"{source_of_all}:{key}/{place}")
        waiting.append(await _submit(station.pipeline, recipe, image, deadline, **told))
    results: list[Outcome] = []
    errors: list[StationError] = []
    for image, future in zip(images, waiting, strict=True):
        name = (image.filename or "")[:MAX_NAME]
        try:
            found = await _finished(future, deadline)
            results.append(Outcome(name=name, inspection=found, error=""))
        except StationError as error:
            errors.append(error)
            results.append(Outcome(name=name, inspection=None, error=str(error)))
    if len(errors) == len(images) and all(error.retry_after for error in errors):
        raise errors[0]  # the same request may succeed later
    return Outcomes(results=results)


@router.get("/inspections")
def list_inspections(
    request: Request, recipe: RecipeDep, _: Operator, query: Annotated[PageQuery, Query()]
) -> InspectionPage:
    """Inspections, newest first: of the recipe that the address names, else of all."""
    query = _narrowed(request, recipe, query)
    found = recipe.store.select(query, limit=query.limit + 1, before=query.before, after=query.after)
    if query.after is not None:  # the closest ones, at the end
        return InspectionPage(inspections=found[-query.limit :], next=None)
    page, more = found[: query.limit], len(found) > query.limit
    return InspectionPage(inspections=page, next=page[-1].id if more else None)


@router.get("/inspections.csv", response_class=Response)
def list_csv(request: Request, recipe: RecipeDep, _: Operator, query: Annotated[Filter, Query()]) -> Response:
    """All inspections of a list, newest first, as a table; times are UTC."""
    found = recipe.store.every(_narrowed(request, recipe, query))
    return download("inspections.csv", "text/csv; charset=utf-8", csv_of(INSPECTION, found))


@one.get("")
def read_inspection(inspection: InspectionDep) -> Inspection:
    return inspection


@one.put("/feedback")
def set_feedback(station: StationDep, user: Operator, number: RecordNumber, said: Feedback) -> Inspection:
    """Say what an image really shows."""
    return station.store.set_feedback(number, said, Author(user.name))


def _narrowed(request: Request, recipe: Recipe, query: F) -> F:
    """A filter with the recipe that the address names, if it names one."""
    if "recipe" not in request.path_params:
        return query
    return query.model_copy(update={"recipe": recipe.name})


async def _submit(
    pipeline: Pipeline, recipe: Recipe, image: UploadFile, deadline: float, **told: Any
) -> "Future[Inspection]":
    """Hand over one image of several, waiting for a place as long as there is time; it may fail at once."""
    data = await image.read()
    while True:
        try:
            return pipeline.submit(recipe, data, name=image.filename or "", **told)
        except StationError as error:
            if not isinstance(error, Busy) or time.monotonic() > deadline:
                refused: Future[Inspection] = Future()
                refused.set_exception(error)
                return refused
            await asyncio.sleep(PATIENCE)


async def _finished(future: "Future[Inspection]", deadline: float) -> Inspection:
    waiting = asyncio.wrap_future(future)
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to ask
    try:
        return await asyncio.wait_for(asyncio.shield(waiting), max(0.0, deadline - time.monotonic()))
    except TimeoutError as error:
        raise TooSlow(
            "The station did not finish the image in time and may still do; send it again under the same "
            "Idempotency-Key, or look it up."
        ) from error
