"""Where an anomaly map says that the defects are, how large they are and how sure that is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from blemish.calibration import Calibration
from blemish.images.connected import connected_regions
from blemish.images.drawing import HeatScale
from blemish.images.frame import Frame, visible_box
from blemish.images.outlines import feret_diameters, outer_polygons

HALF = 0.5  # of a region's height above the typical level: what lies lower is the blur around it

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Region:
    """A region of a picture that is hotter than good parts get. Lengths are pixels of the upright original.

    Attributes:
        box: left, top, width and height.
        outline: polygons, float64 [n, 2] of points (x, y), around each part of it; holes are not shown.
        area: in square pixels, without holes.
        length: maximal Feret diameter, the largest distance between two of its points.
        width: minimal Feret diameter, the smallest distance between two parallel lines around it.
        centre: x and y of its centroid.
        edge_distance: from its box to the nearest edge of the picture, 0 where it touches one.
        peak, mean: of the map, on the model's raw scale.
        p_value: share of good images expected to have a peak at least this high, in (0, 1].
        counts: False where the model's rules leave it out (`blemish.inference.rules`).
    """

    box: Box
    outline: tuple[np.ndarray, ...]
    area: float
    length: float
    width: float
    centre: tuple[float, float]
    edge_distance: float
    peak: float
    mean: float
    p_value: float
    counts: bool = True

    def to_dict(self, scale: float | None = None) -> dict[str, Any]:
        """Plain values for JSON, points and lengths to a hundredth of a pixel.

        Args:
            scale: millimetres per pixel; adds "area_mm2", "length_mm", "width_mm" and "edge_distance_mm".
        """
        values = {
            "box": _rounded(self.box),
            "area": round(self.area, 2),
            "length": round(self.length, 2),
            "width": round(self.width, 2),
            "centre": _rounded(self.centre),
            "edge_distance": round(self.edge_distance, 2),
            "peak": self.peak,
            "mean": self.mean,
            "p_value": self.p_value,
            "counts": self.counts,
            "outline": [polygon.round(2).tolist() for polygon in self.outline],
        }
        if scale is not None:
            values["area_mm2"] = self.area * scale**2
            for name in ("length", "width", "edge_distance"):
                values[f"{name}_mm"] = getattr(self, name) * scale
        return values


def _rounded(values: tuple[float, ...]) -> list[float]:
    return [round(value, 2) for value in values]


def outlines(regions: Iterable[Region]) -> Iterator[np.ndarray]:
    """All polygons of all regions."""
    return (polygon for region in regions for polygon in region.outline)


def regions_above(anomaly_map: np.ndarray, typical: float) -> tuple[np.ndarray, np.ndarray]:
    """Mark all regions of a map on its own grid.

    Pixels from the typical level on that touch belong together. Of each region, those that reach half of its
    peak's height above that level are marked.

    Args:
        anomaly_map: float32 [H, W]; NaN is in no region.
        typical: the level, on the scale of the map.

    Returns:
        Labels int32 [H, W], 0 outside and 1..count for the regions, highest peak first; and their peaks,
        float32 [count].
    """
    labels, count = connected_regions(anomaly_map >= typical)
    highest = np.full(count + 1, -np.inf, np.float32)
    inside = labels > 0
    np.maximum.at(highest, labels[inside], anomaly_map[inside])
    order = np.argsort(-highest, kind="stable")[:count]
    number = np.zeros(count + 1, np.int32)
    number[order] = np.arange(1, count + 1)
    labels = number[labels]
    level = np.concatenate([[np.inf], typical + HALF * (highest[order] - typical)])
    labels[~(anomaly_map >= level[labels])] = 0
    return labels, highest[order]


def label_regions(anomaly_map: np.ndarray, peaks: Calibration) -> tuple[np.ndarray, np.ndarray]:
    """Mark the regions of a map that are hotter than good parts get, as `regions_above` does.

    The typical level is the median of the good images' peaks. A region counts where its peak is anomalous by
    the calibration: the share of good images with a region is then at most its false-alarm rate.

    Args:
        anomaly_map: float32 [H, W], on the model's raw scale; NaN is in no region.
        peaks: calibration by the largest map values of held-out good images.

    Returns:
        As `regions_above`.
    """
    if not (anomaly_map > peaks.threshold).any():
        return np.zeros(anomaly_map.shape, np.int32), np.empty(0, np.float32)
    labels, highest = regions_above(anomaly_map, HeatScale.from_calibration(peaks).low)
    count = int(np.sum(peaks.is_anomalous(highest)))
    labels[labels > count] = 0
    return labels, highest[:count]


def find_regions(
    anomaly_map: np.ndarray, width: int, height: int, frame: Frame, peaks: Calibration
) -> tuple[Region, ...]:
    """The regions of a map, measured on the original picture; see `label_regions`.

    Args:
        anomaly_map: float32 [H, W], in the frame.
        width, height: of the upright original in pixels.
        frame: how the original became the network's input.
        peaks: calibration by the largest map values of held-out good images.

    Returns:
        Highest peak first.
    """
    labels, highest = label_regions(anomaly_map, peaks)
    return measure_regions(anomaly_map, labels, peaks.p_value(highest), width, height, frame)


def measure_regions(
    anomaly_map: np.ndarray,
    labels: np.ndarray,
    p_values: np.ndarray,
    width: int,
    height: int,
    frame: Frame,
    *,
    counts: bool = True,
) -> tuple[Region, ...]:
    """Regions marked on a map, float32 [H, W], measured on the original picture.

    Args:
        labels: int32 [H, W], 0 outside and 1..count for the regions.
        p_values: float [count].
        counts: what all of them say of themselves.
    """
    left, top, right, bottom = visible_box(width, height, frame)[0]
    step = np.array([right - left, bottom - top]) / anomaly_map.shape[::-1]
    every_row, every_column = np.nonzero(labels)
    numbers = labels[every_row, every_column]
    ends = np.cumsum(np.bincount(numbers, minlength=len(p_values) + 1)[1:])
    order = np.argsort(numbers, kind="stable")
    regions = []
    for p_value, own in zip(p_values, np.split(order, ends)[:-1], strict=True):
        rows, columns = every_row[own], every_column[own]
        first = np.array([columns.min(), rows.min()])
        mask = np.zeros((rows.max() - first[1] + 1, columns.max() - first[0] + 1), bool)
        mask[rows - first[1], columns - first[0]] = True
        outline = tuple((polygon + first) * step + (left, top) for polygon in outer_polygons(mask))
        start = first * step + (left, top)
        size = mask.shape[::-1] * step
        centre = (np.array([columns.mean(), rows.mean()]) + 0.5) * step + (left, top)
        length, breadth = feret_diameters(np.concatenate(outline))
        edges = (*start, *(np.array([width, height]) - start - size))
        values = anomaly_map[rows, columns]
        regions.append(
            Region(
                box=(float(start[0]), float(start[1]), float(size[0]), float(size[1])),
                outline=outline,
                area=float(len(rows) * step.prod()),
                length=length,
                width=breadth,
                centre=(float(centre[0]), float(centre[1])),
                edge_distance=max(0.0, float(min(edges))),
                peak=float(values.max()),
                mean=float(values.mean(dtype=np.float64)),
                p_value=float(p_value),
                counts=counts,
            )
        )
    return tuple(regions)
