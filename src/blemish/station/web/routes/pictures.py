"""Pictures and maps of past inspections, drawn from what is kept when somebody looks at them.

Each answers 404 for an image that could not be scored or is gone.
"""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from fastapi import APIRouter, Response
from PIL import Image

from blemish.calibration import Calibration
from blemish.images.drawing import HeatScale, overlay
from blemish.images.frame import Frame
from blemish.images.reading import frame_upload
from blemish.station.errors import NotFound
from blemish.station.records import Inspection
from blemish.station.station import Station
from blemish.station.storage.files import decode_map
from blemish.station.web.deps import InspectionDep, StationDep, problems

THUMBNAIL = 240  # pixels of the longest side
REMEMBERED = 512  # thumbnails of some 10 kB, for all who look at the live page and the gallery
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}  # an inspection's pictures never change

router = APIRouter(
    prefix="/v1/inspections/{number}",
    tags=["inspections"],
    default_response_class=Response,
    responses=problems(404, 503),
)


@router.get("/image")
def image(station: StationDep, inspection: InspectionDep) -> Response:
    """The image file as it came."""
    if inspection.image is None or not inspection.image_type.startswith("image/"):
        raise NotFound(f"Inspection {inspection.id} has no image that can be shown; its error says why.")
    return Response(station.files.read(inspection.image), headers=FOREVER, media_type=inspection.image_type)


@router.get("/frame.png")
def frame_png(station: StationDep, inspection: InspectionDep) -> Response:
    """The image as the network saw it."""
    return _png(_framed(station, inspection))


@router.get("/heat.png")
def heat_png(station: StationDep, inspection: InspectionDep) -> Response:
    """The anomaly map on the fixed scale, 8-bit grey: 0 is none, 85 the alarm, 255 the most."""
    shown = _heat_scale(station, inspection).heat(_anomaly_map(station, inspection))
    return _png(np.rint(255 * shown).astype(np.uint8))


@router.get("/overlay.png")
def overlay_png(station: StationDep, inspection: InspectionDep) -> Response:
    """The image under its heat map."""
    return _png(_overlaid(station, inspection))


@router.get("/thumbnail.jpg")
def thumbnail_jpg(station: StationDep, inspection: InspectionDep) -> Response:
    """The overlay, small."""
    return Response(_thumbnail(station, inspection), headers=FOREVER, media_type="image/jpeg")


@router.get("/map.npy")
def map_npy(station: StationDep, inspection: InspectionDep) -> Response:
    """The anomaly map on the model's raw scale, float32 [H, W], as NumPy's .npy file."""
    file = io.BytesIO()
    np.save(file, _anomaly_map(station, inspection), allow_pickle=False)
    return Response(file.getvalue(), headers=FOREVER, media_type="application/octet-stream")


def _png(picture: np.ndarray) -> Response:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return Response(file.getvalue(), headers=FOREVER, media_type="image/png")


@lru_cache(REMEMBERED)
def _thumbnail(station: Station, inspection: Inspection) -> bytes:
    picture = Image.fromarray(_overlaid(station, inspection))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def _framed(station: Station, inspection: Inspection) -> np.ndarray:
    frame = Frame.model_validate(_description(station, inspection)["frame"])
    assert inspection.image is not None
    data = station.files.read(inspection.image)
    with station.drawing:
        return frame_upload(data, inspection.name, frame, station.settings.max_pixels).framed


def _anomaly_map(station: Station, inspection: Inspection) -> np.ndarray:
    if inspection.map is None or inspection.map_low is None or inspection.map_high is None:
        raise NotFound(f"Inspection {inspection.id} has no anomaly map; its error says why.")
    return decode_map(station.files.read(inspection.map), inspection.map_low, inspection.map_high)


def _overlaid(station: Station, inspection: Inspection) -> np.ndarray:
    scale = _heat_scale(station, inspection)
    return overlay(_framed(station, inspection), _anomaly_map(station, inspection), scale)


def _heat_scale(station: Station, inspection: Inspection) -> HeatScale:
    """The colours of all heat maps of its model, at the false-alarm rate that held."""
    peaks = np.array(_description(station, inspection)["map_peaks"])
    assert inspection.false_alarm_rate is not None
    return HeatScale.from_calibration(Calibration(peaks, inspection.false_alarm_rate))


def _description(station: Station, inspection: Inspection) -> dict[str, Any]:
    """Of the model that scored an image."""
    if inspection.score is None or inspection.model is None:
        raise NotFound(f"Inspection {inspection.id} has no picture to draw; its error says why.")
    active = station.models.active
    if inspection.model == active.fingerprint:
        return active.detector.metadata
    return station.store.model(inspection.model).description
