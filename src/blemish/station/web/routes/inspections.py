"""Images in, inspections out."""

import asyncio
import time
from concurrent.futures import Future
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Form, Header, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import StringConstraints

from blemish.station.errors import Busy, StationError, TooSlow, Unusable
from blemish.station.pipeline import Pipeline
from blemish.station.records import MAX_NAME, Filter, Inspection, Source
from blemish.station.schemas import Feedback, InspectionPage, Outcome, Outcomes, PageQuery
from blemish.station.spreadsheet import csv_of
from blemish.station.station import Station
from blemish.station.web.deps import IdempotencyKey, InspectionDep, RecordNumber, StationDep, problems

PATIENCE = 0.01  # seconds between looks at a full queue
ONE_FILE = {"schema": {"type": "string", "format": "binary"}}
Part = Annotated[str, StringConstraints(max_length=MAX_NAME)]
BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": ONE_FILE}}}

router = APIRouter(prefix="/v1", tags=["inspections"])


@router.post("/inspect", status_code=201, responses=problems(408, 409, 503, 504), openapi_extra=BODY)
async def inspect(
    request: Request,
    station: StationDep,
    name: Annotated[str, Query(max_length=MAX_NAME, description="What to call the image.")] = "",
    lot: Annotated[Part, Query(description="Of the part; else what the name tells.")] = "",
    serial: Annotated[Part, Query(description="Serial number of the part, likewise.")] = "",
    key: IdempotencyKey = None,
) -> Inspection:
    """Inspect one image: the body is the content of a PNG, JPEG, BMP, TIFF or WebP file.

    The answer comes once the inspection is on the disk.
    """
    station.pipeline.check()
    data = await request.body()
    key_here = None if key is None else f"api:{key}"
    submit, source = station.pipeline.submit, Source.API
    future = submit(data, source=source, name=name, lot=lot, serial=serial, key=key_here)
    return await _finished(future, time.monotonic() + station.settings.timeout)


@router.post("/inspections", status_code=201, responses=problems(408, 503))
async def inspect_many(
    station: StationDep,
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
    waiting = [
        await _submit(
            station.pipeline,
            image,
            deadline,
            source=source_of_all,
            lot=lot,
            serial=serial[place] if serial else "",
            key=None if key is None else f"{source_of_all}:{key}/{place}",
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
def list_inspections(station: StationDep, query: Annotated[PageQuery, Query()]) -> InspectionPage:
    """Inspections, newest first."""
    found = station.store.select(query, limit=query.limit + 1, before=query.before, after=query.after)
    if query.after is not None:  # the closest ones, at the end
        return InspectionPage(inspections=found[-query.limit :], next=None)
    page, more = found[: query.limit], len(found) > query.limit
    return InspectionPage(inspections=page, next=page[-1].id if more else None)


@router.get("/inspections.csv", response_class=Response, responses=problems(503))
def list_csv(station: StationDep, query: Annotated[Filter, Query()]) -> Response:
    """All inspections of a list, newest first, as a table."""
    return csv_answer(station, query)


@router.get("/inspections/{number}", responses=problems(404, 503))
def read_inspection(inspection: InspectionDep) -> Inspection:
    """One inspection."""
    return inspection


@router.put("/inspections/{number}/feedback", responses=problems(404, 503))
def set_feedback(station: StationDep, number: RecordNumber, said: Feedback) -> Inspection:
    """Say what an image really shows."""
    return station.store.set_feedback(number, said)


def csv_answer(station: Station, filter: Filter) -> Response:
    """A table, sent while it is read from the database."""
    pieces = csv_of(station.store, filter)
    pieces = chain([next(pieces)], pieces)  # what goes wrong does so before the answer begins
    headers = {"Content-Disposition": 'attachment; filename="inspections.csv"'}
    return StreamingResponse(pieces, media_type="text/csv; charset=utf-8", headers=headers)


async def _submit(
    pipeline: Pipeline, image: UploadFile, deadline: float, **told: Any
) -> "Future[Inspection]":
    """Hand over one image of several, waiting for a place as long as there is time; it may fail at once."""
    data = await image.read()
    while True:
        try:
            return pipeline.submit(data, name=image.filename or "", **told)
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
