"""Pictures of past inspections, drawn from what is kept when somebody looks at them."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image

from blemish.calibration import Calibration
from blemish.images.drawing import HeatScale, overlay
from blemish.images.drawing import heat as place_on_scale
from blemish.images.frame import Frame
from blemish.images.reading import frame_upload
from blemish.station.problems import NotFound
from blemish.station.records import Inspection
from blemish.station.station import Station
from blemish.station.storage.maps import decode_map

THUMBNAIL = 240  # pixels of the longest side
REMEMBERED = 512  # thumbnails of some 10 kB, for all who look at the live page and the gallery


def framed(station: Station, inspection: Inspection) -> np.ndarray:
    """The image as the network saw it, uint8 [H, W, 3].

    Raises:
        NotFound: the image could not be scored, or is gone.
    """
    if inspection.image is None or inspection.score is None:
        raise NotFound(f"Inspection {inspection.id} has no picture to draw; its error says why.")
    frame = Frame.model_validate(_description(station, inspection)["frame"])
    data = station.files.read(inspection.image)
    with station.drawing:
        return frame_upload(data, inspection.name, frame, station.settings.max_pixels).framed


def anomaly_map(station: Station, inspection: Inspection) -> np.ndarray:
    """The anomaly map, float32 [H, W], raw scale; see `blemish.station.storage.maps` for its precision.

    Raises:
        NotFound: the image could not be scored, or the map is gone.
    """
    if inspection.map is None or inspection.map_low is None or inspection.map_high is None:
        raise NotFound(f"Inspection {inspection.id} has no anomaly map; its error says why.")
    return decode_map(station.files.read(inspection.map), inspection.map_low, inspection.map_high)


def heat_scale(station: Station, inspection: Inspection) -> HeatScale:
    """The colours of all heat maps of its model, at the false-alarm rate that held.

    Raises:
        NotFound: the image could not be scored, or its model is not known any more.
    """
    peaks = np.array(_description(station, inspection)["map_peaks"])
    assert inspection.false_alarm_rate is not None
    return HeatScale.from_calibration(Calibration(peaks, inspection.false_alarm_rate))


def heat(station: Station, inspection: Inspection) -> np.ndarray:
    """The anomaly map on the fixed scale, uint8 [H, W]: 0 is none, 85 the alarm, 255 the most.

    Raises:
        NotFound: as `anomaly_map` and `heat_scale`.
    """
    raw = anomaly_map(station, inspection)
    scale = heat_scale(station, inspection)
    return np.rint(255 * place_on_scale(raw, scale.low, scale.high)).astype(np.uint8)


def overlay_picture(station: Station, inspection: Inspection) -> np.ndarray:
    """The image under its heat map, uint8 [H, W, 3].

    Raises:
        NotFound: as `framed` and `anomaly_map`.
    """
    scale = heat_scale(station, inspection)
    return overlay(framed(station, inspection), anomaly_map(station, inspection), scale.low, scale.high)


@lru_cache(REMEMBERED)
def thumbnail(station: Station, inspection: Inspection) -> bytes:
    """The overlay as a small JPEG file; raises as `overlay_picture`."""
    picture = Image.fromarray(overlay_picture(station, inspection))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def png(picture: np.ndarray) -> bytes:
    """uint8 [H, W, 3] or [H, W] as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=1)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    """An array as a .npy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _description(station: Station, inspection: Inspection) -> dict[str, object]:
    active = station.shelf.active
    if inspection.model == active.fingerprint:
        return active.detector.metadata
    if inspection.model is None:
        raise NotFound(f"Inspection {inspection.id} was not scored.")
    return station.store.model(inspection.model).description
