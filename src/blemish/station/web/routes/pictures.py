"""Pictures and maps of past inspections."""

from fastapi import APIRouter, Response

from blemish.station.errors import NotFound
from blemish.station.web import pictures
from blemish.station.web.deps import InspectionDep, StationDep, problems

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
    return _answer(station.files.read(inspection.image), inspection.image_type)


@router.get("/frame.png")
def frame_png(station: StationDep, inspection: InspectionDep) -> Response:
    """The image as the network saw it."""
    return _answer(pictures.png(pictures.framed(station, inspection)), "image/png")


@router.get("/heat.png")
def heat_png(station: StationDep, inspection: InspectionDep) -> Response:
    """The anomaly map on the fixed scale, 8-bit grey: 0 is none, 85 the alarm, 255 the most."""
    return _answer(pictures.png(pictures.heat_map(station, inspection)), "image/png")


@router.get("/overlay.png")
def overlay_png(station: StationDep, inspection: InspectionDep) -> Response:
    """The image under its heat map."""
    return _answer(pictures.png(pictures.overlaid(station, inspection)), "image/png")


@router.get("/thumbnail.jpg")
def thumbnail_jpg(station: StationDep, inspection: InspectionDep) -> Response:
    """The overlay, small."""
    return _answer(pictures.thumbnail(station, inspection), "image/jpeg")


@router.get("/map.npy")
def map_npy(station: StationDep, inspection: InspectionDep) -> Response:
    """The anomaly map on the model's raw scale, float32 [H, W], as NumPy's .npy file."""
    return _answer(pictures.npy(pictures.anomaly_map(station, inspection)), "application/octet-stream")


def _answer(content: bytes, media_type: str) -> Response:
    return Response(content, media_type=media_type, headers=FOREVER)
