"""Images in, inspections out."""

import asyncio
import time
from concurrent.futures import Future
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Query, Request, UploadFile

from blemish.station.errors import Busy, StationError, TooSlow
from blemish.station.pipeline import Pipeline
from blemish.station.recipe import Recipe
from blemish.station.records import MAX_NAME, Author, Inspection, Source
from blemish.station.schemas import Feedback, InspectionPage, Outcome, Outcomes, PageQuery
from blemish.station.web.deps import (
    IdempotencyKey,
    InspectionDep,
    Machine,
    Operator,
    RecipeDep,
    RecordNumber,
    StationDep,
    problems,
)

PATIENCE = 0.01  # seconds between looks at a full queue
ONE_FILE = {"schema": {"type": "string", "format": "binary"}}
BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": ONE_FILE}}}

router = APIRouter(tags=["inspections"])  # of a recipe
one = APIRouter(prefix="/v1/inspections/{number}", tags=["inspections"])  # numbers count for all recipes


@router.post("/inspect", status_code=201, responses=problems(408, 409, 503, 504), openapi_extra=BODY)
async def inspect(
    request: Request,
    station: StationDep,
    recipe: RecipeDep,
    _: Machine,
    name: Annotated[str, Query(max_length=MAX_NAME, description="What to call the image.")] = "",
    key: IdempotencyKey = None,
) -> Inspection:
    """Inspect one image: the body is the content of a PNG, JPEG, BMP, TIFF or WebP file.

    The answer comes once the inspection is on the disk.
    """
    station.pipeline.check(recipe)
    data = await request.body()
    key_here = None if key is None else recipe.key(f"api:{key}")
    future = station.pipeline.submit(recipe, data, source=Source.API, name=name, key=key_here)
    return await _finished(future, time.monotonic() + station.settings.timeout)


@router.post("/inspections", status_code=201, responses=problems(408, 503))
async def inspect_many(
    station: StationDep,
    recipe: RecipeDep,
    _: Machine,
    images: list[UploadFile],
    key: IdempotencyKey = None,
    source: Annotated[str | None, Header(alias="X-Blemish-Source", include_in_schema=False)] = None,
) -> Outcomes:
    """Inspect several images: form fields `images`, each a file.

    An image that cannot be used has an error in its place; the others are inspected all the same.
    """
    most = station.settings.max_images
    if len(images) > most:
        raise HTTPException(413, f"{len(images)} images came at once; send at most {most}.")
    deadline = time.monotonic() + station.settings.timeout
    source_of_all = Source.PAGE if source == Source.PAGE else Source.API
    waiting = [
        await _submit(
            station.pipeline,
            recipe,
            image,
            source_of_all,
            None if key is None else recipe.key(f"{source_of_all}:{key}/{place}"),
            deadline,
        )
        for place, image in enumerate(images)
    ]
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


@router.get("/inspections", responses=problems(503))
def list_inspections(
    request: Request, recipe: RecipeDep, _: Operator, query: Annotated[PageQuery, Query()]
) -> InspectionPage:
    """Inspections, newest first: of the recipe that the address names, else of all."""
    if "recipe" in request.path_params:
        query = query.model_copy(update={"recipe": recipe.name})
    found = recipe.store.select(query, limit=query.limit + 1, before=query.before, after=query.after)
    if query.after is not None:  # the closest ones, at the end
        return InspectionPage(inspections=found[-query.limit :], next=None)
    page, more = found[: query.limit], len(found) > query.limit
    return InspectionPage(inspections=page, next=page[-1].id if more else None)


@one.get("", responses=problems(404, 503))
def read_inspection(inspection: InspectionDep) -> Inspection:
    """One inspection."""
    return inspection


@one.put("/feedback", responses=problems(404, 503))
def set_feedback(station: StationDep, user: Operator, number: RecordNumber, said: Feedback) -> Inspection:
    """Say what an image really shows."""
    return station.store.set_feedback(number, said, Author(user.name))


async def _submit(
    pipeline: Pipeline, recipe: Recipe, image: UploadFile, source: Source, key: str | None, deadline: float
) -> "Future[Inspection]":
    """Hand over one image of several, waiting for a place as long as there is time; it may fail at once."""
    data = await image.read()
    while True:
        try:
            return pipeline.submit(recipe, data, source=source, name=image.filename or "", key=key)
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
