"""The maps of the held-out good images, made small, that travel with a model.

Whatever verdict on regions is wanted later, over a part of the picture for instance, can be calibrated on
them without fitting again. Their peaks are the model's `map_peaks`.
"""

import base64
import binascii
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from blemish.errors import ModelFileError, explained
from blemish.images.maps import largest_in_cells
from blemish.inference.model_file import HELD_OUT_MAPS, HELD_OUT_MAPS_KEY, openvino_text

SIDE = 128  # cells of the longer side, at most


def reduced(anomaly_map: np.ndarray) -> np.ndarray:
    """A map, float32 [H, W], as the largest value in each cell of an even grid, at most SIDE x SIDE.

    The sides are divided by the same whole number, rounded up, so that 224 pixels become 112 cells.
    """
    return largest_in_cells(anomaly_map, *cells_of(*anomaly_map.shape))


def cells_of(height: int, width: int) -> tuple[int, int]:
    """Height and width of a `reduced` map."""
    factor = -(-max(height, width) // SIDE)
    return -(-height // factor), -(-width // factor)


def peaks_of(maps: Sequence[np.ndarray]) -> list[float]:
    """The largest value of each map; that of a `reduced` one is exactly the map's own."""
    return [float(anomaly_map.max()) for anomaly_map in maps]


def packed(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Reduced maps of any sizes as one array, float16 [n, h, w], NaN beyond a map; see `unpacked`."""
    shape = np.max([anomaly_map.shape for anomaly_map in maps], axis=0)
    cells = np.full((len(maps), *shape), np.nan, np.float16)
    unit = _unit(peaks_of(maps))
    for place, anomaly_map in zip(cells, maps, strict=True):
        height, width = anomaly_map.shape
        place[:height, :width] = anomaly_map / unit
    return cells


def unpacked(cells: np.ndarray, peaks: Sequence[float]) -> list[np.ndarray]:
    """The maps, float32 [h, w] on the model's raw scale, to 3 digits; `peaks` are the model's `map_peaks`."""
    unit = _unit(peaks)
    inside = ~np.isnan(cells)
    return [
        one[: known.any(axis=1).sum(), : known.any(axis=0).sum()].astype(np.float32) * np.float32(unit)
        for one, known in zip(cells, inside, strict=True)
    ]


def as_stored(anomaly_map: np.ndarray, peaks: Sequence[float]) -> np.ndarray:
    """A map, float32 [H, W], rounded as those in the model file are, so that it compares with them."""
    unit = np.float32(_unit(peaks))
    most = np.finfo(np.float16).max
    return np.clip(anomaly_map / unit, -most, most).astype(np.float16).astype(np.float32) * unit


def _unit(peaks: Sequence[float]) -> float:
    """What the values are stored in shares of, so that tiny ones survive."""
    return max(map(abs, peaks)) or 1.0


def to_text(cells: np.ndarray) -> str:
    """Packed maps as text, for files that describe themselves in texts."""
    file = io.BytesIO()
    np.save(file, cells, allow_pickle=False)
    return base64.b64encode(file.getvalue()).decode()


def read_packed(path: Path) -> np.ndarray | None:
    """The packed maps in a model file that can be read, of any kind; None in one of an older version.

    Raises:
        ModelFileError: they are damaged.
    """
    damaged = f"The held-out maps in {path} are damaged; fit, export or copy the model again."
    if path.suffix.lower() == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:
            cells = file.get_tensor(HELD_OUT_MAPS) if HELD_OUT_MAPS in file.keys() else None  # noqa: SIM118
    else:
        text = _text(path)
        with explained(ModelFileError, lambda _: damaged, ValueError, EOFError, binascii.Error):
            cells = text and np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)
    if cells is None:
        return None
    if cells.ndim != 3 or cells.dtype != np.float16:
        raise ModelFileError(damaged)
    return cells


def _text(path: Path) -> str | None:
    if path.suffix.lower() == ".xml":
        return openvino_text(path, HELD_OUT_MAPS_KEY)
    from blemish.inference.engines.onnx import OnnxEngine

    return OnnxEngine.load(path)[0].session.get_modelmeta().custom_metadata_map.get(HELD_OUT_MAPS_KEY)
