"""Anomaly maps as files: a 16-bit grey PNG over the map's own range, a third of its float32 size."""

import io
import math

import numpy as np
from PIL import Image

from blemish.errors import ImageError

LEVELS = 65535


def encode_map(anomaly_map: np.ndarray) -> tuple[bytes, float, float]:
    """A map, float32 [H, W], as a file, with its smallest and largest value, or ImageError if not finite."""
    low, high = float(anomaly_map.min()), float(anomaly_map.max())
    if not math.isfinite(high - low):
        raise ImageError("its anomaly map has values that are no finite numbers")
    steps = (anomaly_map.astype(np.float64) - low) * (LEVELS / (high - low) if high > low else 0.0)
    file = io.BytesIO()
    Image.fromarray(np.rint(steps).astype(np.uint16)).save(file, "PNG", compress_level=1)
    return file.getvalue(), low, high


def decode_map(data: bytes, low: float, high: float) -> np.ndarray:
    """The map, float32 [H, W], off by at most 1 / 131070 of its range and float32's rounding."""
    steps = np.asarray(Image.open(io.BytesIO(data), formats=("PNG",)), np.float64)
    return (low + steps * ((high - low) / LEVELS)).astype(np.float32)
