"""The API: images in, inspections out."""

import asyncio
import time
from concurrent.futures import Future
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response, UploadFile

from blemish.station.problems import Busy, NotFound, StationError, TooLarge, TooSlow
from blemish.station.records import LARGEST_NUMBER, MAX_NAME, Inspection, Source
from blemish.station.station import Station
from blemish.station.web import drawing
from blemish.station.web.schemas import (
    Feedback,
    InspectionPage,
    Outcome,
    Outcomes,
    PageQuery,
    Problem,
)

FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # an inspection's pictures never change
PATIENCE = 0.01  # seconds between looks at a full queue

router = APIRouter(prefix="/v1", tags=["inspections"])

Number = Annotated[int, Path(ge=1, le=LARGEST_NUMBER, description="Of the record.")]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Sending the same again under its key gives the inspections that are there already.",
    ),
]
Name = Annotated[str, Query(max_length=MAX_NAME, description="What to call the image; for showing only.")]


def error_responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI document: answers beside success."""
    return {code: {"model": Problem} for code in (400, 401, 403, 413, 422, *codes)}


def station_of(request: Request) -> Station:
    """The station behind a request."""
    station: Station = request.app.state.station
    return station


@router.post(
    "/inspect",
    status_code=201,
    responses=error_responses(408, 409, 503, 504),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def inspect(request: Request, name: Name = "", key: Key = None) -> Inspection:
    """Inspect one image: the body is the content of a PNG, JPEG, BMP, TIFF or WebP file.

    The answer comes once the inspection is on the disk.
    """
    pipeline = station_of(request).pipeline
    pipeline.check()
    data = await request.body()
    future = pipeline.submit(data, source=Source.API, name=name, key=None if key is None else f"api:{key}")
    return await _finished(request, future, time.monotonic() + station_of(request).settings.timeout)


@router.post("/inspections", status_code=201, responses=error_responses(408, 503))
async def inspect_many(
    request: Request,
    images: list[UploadFile],
    key: Key = None,
    source: Annotated[str | None, Header(alias="X-Blemish-Source", include_in_schema=False)] = None,
) -> Outcomes:
    """Inspect several images: form fields `images`, each a file.

    An image that cannot be used has an error in its place; the others are inspected all the same.
    """
    settings = station_of(request).settings
    if len(images) > settings.max_images:
        raise TooLarge(f"{len(images)} images came at once; send at most {settings.max_images}.")
    deadline = time.monotonic() + settings.timeout
    source_of_all = Source.PAGE if source == Source.PAGE else Source.API
    keys = [None if key is None else f"{source_of_all}:{key}/{place}" for place in range(len(images))]
    waiting = [
        await _submit(request, image, source_of_all, key_of_one, deadline)
        for image, key_of_one in zip(images, keys, strict=True)
    ]
    results, errors = [], []
    for image, one in zip(images, waiting, strict=True):
        name = (image.filename or "")[:MAX_NAME]
        try:
            if isinstance(one, StationError):
                raise one
            found = await _finished(request, one, deadline)
            results.append(Outcome(name=name, inspection=found, error=""))
        except StationError as error:
            errors.append(error)
            results.append(Outcome(name=name, inspection=None, error=str(error)))
    if len(errors) == len(images) and all(error.retry_after for error in errors):
        raise errors[0]  # the same request may succeed later
    return Outcomes(results=results)


@router.get("/inspections", responses=error_responses(503))
def inspections(request: Request, query: Annotated[PageQuery, Query()]) -> InspectionPage:
    """Inspections, newest first."""
    found = station_of(request).store.select(
        query, limit=query.limit + 1, before=query.before, after=query.after
    )
    if query.after is not None:  # the closest ones, at the end
        return InspectionPage(inspections=found[-query.limit :], next=None)
    page, more = found[: query.limit], len(found) > query.limit
    return InspectionPage(inspections=page, next=page[-1].id if more else None)


@router.get("/inspections/{number}", responses=error_responses(404, 503))
def inspection(request: Request, number: Number) -> Inspection:
    """One inspection."""
    return station_of(request).store.get(number)


@router.put("/inspections/{number}/feedback", responses=error_responses(404, 503))
def feedback(request: Request, number: Number, said: Feedback) -> Inspection:
    """Say what an image really shows."""
    return station_of(request).store.set_feedback(number, **said.model_dump(exclude_unset=True))


@router.get("/inspections/{number}/image", response_class=Response, responses=error_responses(404, 503))
def image(request: Request, number: Number) -> Response:
    """The image file as it came."""
    station = station_of(request)
    found = station.store.get(number)
    if found.image is None or not found.image_type.startswith("image/"):
        raise NotFound(f"Inspection {number} has no image that can be shown; its error says why.")
    return Response(station.files.read(found.image), media_type=found.image_type, headers=FOREVER)


@router.get("/inspections/{number}/frame.png", response_class=Response, responses=error_responses(404, 503))
def frame_png(request: Request, number: Number) -> Response:
    """The image as the network saw it."""
    station = station_of(request)
    return _png(drawing.png(drawing.framed(station, station.store.get(number))))


@router.get("/inspections/{number}/heat.png", response_class=Response, responses=error_responses(404, 503))
def heat_png(request: Request, number: Number) -> Response:
    """The anomaly map on the fixed scale, 8-bit grey: 0 is none, 85 the alarm, 255 the most."""
    station = station_of(request)
    return _png(drawing.png(drawing.heat(station, station.store.get(number))))


@router.get("/inspections/{number}/overlay.png", response_class=Response, responses=error_responses(404, 503))
def overlay_png(request: Request, number: Number) -> Response:
    """The image under its heat map."""
    station = station_of(request)
    return _png(drawing.png(drawing.overlay_picture(station, station.store.get(number))))


@router.get(
    "/inspections/{number}/thumbnail.jpg", response_class=Response, responses=error_responses(404, 503)
)
def thumbnail_jpg(request: Request, number: Number) -> Response:
    """The overlay, small."""
    station = station_of(request)
    small = drawing.thumbnail(station, station.store.get(number))
    return Response(small, media_type="image/jpeg", headers=FOREVER)


@router.get("/inspections/{number}/map.npy", response_class=Response, responses=error_responses(404, 503))
def map_npy(request: Request, number: Number) -> Response:
    """The anomaly map on the model's raw scale, float32 [H, W], as NumPy's .npy file."""
    station = station_of(request)
    data = drawing.npy(drawing.anomaly_map(station, station.store.get(number)))
    return Response(data, media_type="application/octet-stream", headers=FOREVER)


def _png(data: bytes) -> Response:
    return Response(data, media_type="image/png", headers=FOREVER)


async def _submit(
    request: Request, image: UploadFile, source: Source, key: str | None, deadline: float
) -> "Future[Inspection] | StationError":
    """Hand over one image of several, waiting for a place as long as there is time."""
    pipeline = station_of(request).pipeline
    data = await image.read()
    while True:
        try:
            return pipeline.submit(data, source=source, name=image.filename or "", key=key)
        except Busy as error:
            if time.monotonic() > deadline:
                return error
            await asyncio.sleep(PATIENCE)
        except StationError as error:
            return error


async def _finished(request: Request, future: "Future[Inspection]", deadline: float) -> Inspection:
    waiting = asyncio.wrap_future(future)
    waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to ask
    try:
        return await asyncio.wait_for(asyncio.shield(waiting), max(0.0, deadline - time.monotonic()))
    except TimeoutError as error:
        raise TooSlow(
            "The station did not finish the image in time and may still do; send it again under the same "
            "Idempotency-Key, or look it up."
        ) from error
