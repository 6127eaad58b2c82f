"""Anomaly maps brought from the frame onto the whole picture that they are of, and kept as files."""

import io
from typing import Any

import numpy as np
from PIL import Image

from blemish.images.frame import Frame, visible_box

BAND = 1_000_000  # pixels worked on at once: large pictures need little memory beside themselves
LEVELS = 65535  # of a map's file: a 16-bit grey PNG over its own range, a third of its float32 size


def map_on_image(
    values: np.ndarray, width: int, height: int, frame: Frame, side: int | None = None
) -> np.ndarray:
    """Bring a map from the frame onto the whole picture, so that each value lies on the pixel it judges.

    Args:
        values: float32 [h, w], in the frame; with tiles that is the resized whole picture.
        width, height: of the upright picture in pixels.
        frame: how the picture became the network's input.
        side: as in `shrink`; the map is made for the smaller picture.

    Returns:
        float32 [height, width], or smaller with `side`: bilinear where the map is enlarged, the largest value
        where it is made smaller, NaN on pixels that the frame does not show.
    """
    wide, high = shrunk_size(width, height, side)
    if values.shape == (high, wide) and frame.crop is None:
        return values
    shown, filled = visible_box(width, height, frame)
    left, right, *across = _along(wide, width, shown[::2], filled[::2])
    top, bottom, *down = _along(high, height, shown[1::2], filled[1::2])
    rows = min(values.shape[0], round(values.shape[0] * (bottom - top) / (down[1] - down[0])))
    columns = min(values.shape[1], round(values.shape[1] * (right - left) / (across[1] - across[0])))
    source = Image.fromarray(largest_in_cells(values, max(1, rows), max(1, columns)))
    start, end = (place * source.width / values.shape[1] for place in across)
    down = [place * source.height / values.shape[0] for place in down]
    whole = np.full((high, wide), np.nan, np.float32)
    step = max(1, BAND // wide)
    for row in range(top, bottom, step):
        stop = min(row + step, bottom)
        upper, lower = np.interp((row, stop), (top, bottom), down)
        size, box = (right - left, stop - row), (start, upper, end, lower)
        whole[row:stop, left:right] = np.asarray(source.resize(size, Image.Resampling.BILINEAR, box))
    return whole


def _along(
    pixels: int, length: int, shown: tuple[float, ...], filled: tuple[float, ...]
) -> tuple[int, int, float, float]:
    """Along one side: the first pixel whose centre is shown, the one behind the last, and both in the map."""
    begin, end = (place * pixels / length for place in shown)
    first = min(round(begin), pixels - 1)
    last = max(round(end), first + 1)
    start, stop = np.interp((first, last), (begin, end), filled)
    return first, last, float(start), float(stop)


def shrink(image: np.ndarray, side: int | None) -> np.ndarray:
    """An image, uint8 [H, W, 3], averaged to at most `side` pixels on the longer side; None leaves it."""
    height, width = image.shape[:2]
    size = shrunk_size(width, height, side)
    if size == (width, height):
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))


def shrunk_size(width: int, height: int, side: int | None) -> tuple[int, int]:
    """Width and height of an image after `shrink`."""
    share = 1.0 if side is None else min(1.0, side / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


def largest_in_cells(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """The largest value in each of height x width cells that divide an array evenly.

    Args:
        values: [H, W] of any dtype with an order; of booleans, whether any is true.
        height: of the outcome, at most H.
        width: of the outcome, at most W.
    """
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    return np.maximum.reduceat(np.maximum.reduceat(values, rows, axis=0), columns, axis=1)


def encode_map(anomaly_map: np.ndarray) -> tuple[bytes, float, float]:
    """A map, float32 [H, W], as a file, with its smallest and largest value.

    NaN, where the model saw nothing, is the PNG's transparent value, 0, which nothing else has then.
    """
    unseen = np.isnan(anomaly_map)
    low, high = (float(most(anomaly_map)) for most in (np.nanmin, np.nanmax))
    steps = (anomaly_map.astype(np.float64) - low) * (LEVELS / (high - low) if high > low else 0.0)
    options: dict[str, Any] = {}
    if unseen.any():
        steps, options = np.where(unseen, 0, np.maximum(steps, 1)), {"transparency": 0}
    file = io.BytesIO()
    Image.fromarray(np.rint(steps).astype(np.uint16)).save(file, "PNG", compress_level=1, **options)
    return file.getvalue(), low, high


def decode_map(data: bytes, low: float, high: float) -> np.ndarray:
    """The map, float32 [H, W], off by at most 1 / 131070 of its range and float32's rounding.

    With NaN in it, its lowest value is off by twice as much.
    """
    image = Image.open(io.BytesIO(data), formats=("PNG",))
    steps = np.asarray(image, np.float64)
    if "transparency" in image.info:
        steps = np.where(steps == image.info["transparency"], np.nan, steps)
    return (low + steps * ((high - low) / LEVELS)).astype(np.float32)
