"""Pictures of past inspections, drawn from what is kept when somebody looks at them.

Each raises NotFound for an image that could not be scored or is gone, and Unavailable as store and files do.
"""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from blemish.calibration import Calibration
from blemish.images.drawing import HeatScale, overlay
from blemish.images.frame import Frame
from blemish.images.reading import frame_upload
from blemish.station.errors import NotFound
from blemish.station.records import Inspection
from blemish.station.station import Station
from blemish.station.storage.maps import decode_map

THUMBNAIL = 240  # pixels of the longest side
REMEMBERED = 512  # thumbnails of some 10 kB, for all who look at the live page and the gallery


def framed(station: Station, inspection: Inspection) -> np.ndarray:
    """The image as the network saw it, uint8 [H, W, 3]."""
    frame = Frame.model_validate(_description(station, inspection)["frame"])
    assert inspection.image is not None
    data = station.files.read(inspection.image)
    with station.drawing:
        return frame_upload(data, inspection.name, frame, station.settings.max_pixels).framed


def anomaly_map(station: Station, inspection: Inspection) -> np.ndarray:
    """The anomaly map, float32 [H, W], raw scale; see `blemish.station.storage.maps` for its precision."""
    if inspection.map is None or inspection.map_low is None or inspection.map_high is None:
        raise NotFound(f"Inspection {inspection.id} has no anomaly map; its error says why.")
    return decode_map(station.files.read(inspection.map), inspection.map_low, inspection.map_high)


def heat_map(station: Station, inspection: Inspection) -> np.ndarray:
    """The anomaly map on the fixed scale, uint8 [H, W]: 0 is none, 85 the alarm, 255 the most."""
    shown = _heat_scale(station, inspection).heat(anomaly_map(station, inspection))
    return np.rint(255 * shown).astype(np.uint8)


def overlaid(station: Station, inspection: Inspection) -> np.ndarray:
    """The image under its heat map, uint8 [H, W, 3]."""
    scale = _heat_scale(station, inspection)
    return overlay(framed(station, inspection), anomaly_map(station, inspection), scale)


@lru_cache(REMEMBERED)
def thumbnail(station: Station, inspection: Inspection) -> bytes:
    """The overlay as a small JPEG file."""
    picture = Image.fromarray(overlaid(station, inspection))
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return _file(picture, "JPEG", quality=85)


def png(picture: np.ndarray) -> bytes:
    """uint8 [H, W, 3] or [H, W] as a PNG file."""
    return _file(Image.fromarray(picture), "PNG", compress_level=1)


def npy(array: np.ndarray) -> bytes:
    """An array as a .npy file."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


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
