"""Pictures and maps of past inspections, drawn from what is kept when somebody looks at them.

They show the whole picture in its own resolution, or smaller where `side` says so. Each answers 404 for an
image that could not be scored or is gone.
"""

import io
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from PIL import Image

from blemish.calibration import Calibration
from blemish.images.drawing import encode_jpeg
from blemish.images.frame import Frame
from blemish.images.maps import decode_map, shrink
from blemish.images.reading import read_upload
from blemish.inference.regions import Region
from blemish.inference.result import Result
from blemish.station.errors import NotFound
from blemish.station.records import Inspection
from blemish.station.station import Station
from blemish.station.web.deps import InspectionDep, StationDep

THUMBNAIL = 240  # pixels of the longest side
REMEMBERED = 512  # thumbnails of some 10 kB, for all who look at the live page and the gallery
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # an inspection's pictures never change

Side = Annotated[int | None, Query(ge=32, description="Pixels of the longer side, at most; else its own.")]

router = APIRouter(prefix="/v1/inspections/{number}", tags=["inspections"], default_response_class=Response)


@router.get("/image")
def image(station: StationDep, inspection: InspectionDep) -> Response:
    """The image file as it came."""
    if inspection.image is None or not inspection.image_type.startswith("image/"):
        raise NotFound(f"Inspection {inspection.id} has no image that can be shown; its error says why.")
    return Response(station.files.read(inspection.image), headers=FOREVER, media_type=inspection.image_type)


@router.get("/picture.png")
def picture_png(station: StationDep, inspection: InspectionDep, side: Side = None) -> Response:
    """The whole picture, upright."""
    with station.drawing:
        return _png(shrink(_picture(station, inspection), side))


@router.get("/heat.png")
def heat_png(station: StationDep, inspection: InspectionDep, side: Side = None) -> Response:
    """The map in 8-bit grey: 0 is none, 85 the alarm, 255 the most; alpha is 0 where nothing was seen."""
    with station.drawing:
        result = _result(station, inspection)
        anomaly_map, scale = result.map_on_image(side), result.heat_scale
        hidden = np.isnan(anomaly_map)
        grey = np.rint(255 * scale.heat(np.where(hidden, scale.low, anomaly_map)))
        return _png(np.dstack([grey, np.where(hidden, 0, 255)]).astype(np.uint8))


@router.get("/overlay.png")
def overlay_png(station: StationDep, inspection: InspectionDep, side: Side = None) -> Response:
    """The whole picture under its heat map, regions outlined; what the model did not see is hatched."""
    return _png(_overlay(station, inspection, side))


@router.get("/thumbnail.jpg")
def thumbnail_jpg(station: StationDep, inspection: InspectionDep) -> Response:
    return Response(_thumbnail(station, inspection), headers=FOREVER, media_type="image/jpeg")


@router.get("/regions", response_class=JSONResponse)
def regions(station: StationDep, inspection: InspectionDep) -> list[dict[str, Any]]:
    """Where the defects are, highest peak first; lengths are in pixels of the picture, lists are x and y.

    `box` is left, top, width and height; `length` and `width` are the maximal and minimal Feret diameter.
    """
    return [region.to_dict() for region in regions_of(station, inspection)]


@router.get("/map.npy")
def map_npy(station: StationDep, inspection: InspectionDep) -> Response:
    """The map on the raw scale as a .npy file, float32 [height, width]; NaN where the model saw nothing."""
    file = io.BytesIO()
    with station.drawing:
        np.save(file, _result(station, inspection).map_on_image(), allow_pickle=False)
    return Response(file.getvalue(), headers=FOREVER, media_type="application/octet-stream")


def regions_of(station: Station, inspection: Inspection) -> tuple[Region, ...]:
    """The regions of an inspection, found again in its stored map; NotFound where there is none."""
    with station.drawing:
        return _result(station, inspection).regions


@lru_cache(REMEMBERED)
def _thumbnail(station: Station, inspection: Inspection) -> bytes:
    return encode_jpeg(_overlay(station, inspection, THUMBNAIL))


def _overlay(station: Station, inspection: Inspection, side: int | None) -> np.ndarray:
    with station.drawing:
        result = _result(station, inspection)
        return replace(result, array=_picture(station, inspection)).overlay(side=side)


def _result(station: Station, inspection: Inspection) -> Result:
    """What the detector gave, but for the picture."""
    description = station.description(inspection)
    assert inspection.map and inspection.map_low is not None and inspection.map_high is not None
    assert inspection.false_alarm_rate is not None
    stored = station.files.read(inspection.map)
    return Result(
        inspection.name,
        inspection.score,
        anomaly_map=decode_map(stored, inspection.map_low, inspection.map_high),
        frame=Frame.model_validate(description["frame"]),
        size=(inspection.width, inspection.height),
        map_peaks=Calibration(np.array(description["map_peaks"]), inspection.false_alarm_rate),
    )


def _picture(station: Station, inspection: Inspection) -> np.ndarray:
    bit_depth = Frame.model_validate(station.description(inspection)["frame"]).bit_depth
    data = station.files.read(str(inspection.image))
    return read_upload(data, inspection.name, bit_depth, station.settings.max_pixels)


def _png(picture: np.ndarray) -> Response:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return Response(file.getvalue(), headers=FOREVER, media_type="image/png")
