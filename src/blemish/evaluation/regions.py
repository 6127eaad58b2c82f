"""Regions that a detector finds beside the true defects."""

from collections.abc import Callable, Sequence

import numpy as np

from blemish.images.connected import connected_regions


def count_regions(
    maps: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    label: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> dict[str, int]:
    """How many marked defects are found, and how many regions lie where nothing is marked.

    Args:
        maps: anomaly maps, float32 [H, W] each, on the model's raw scale.
        masks: bool [H, W] for each map; its connected regions are the defects.
        label: marks the regions of a map: labels int32 [H, W], 0 outside and 1..count, and an array [count].

    Returns:
        "marked" defects, those "found" (a region shares a pixel with them), "regions" in all, and those
        "elsewhere", which touch no defect.
    """
    marked = found = regions = elsewhere = 0
    for anomaly_map, mask in zip(maps, masks, strict=True):
        defects, count = connected_regions(mask)
        labels, found_here = label(anomaly_map)
        marked += count
        found += len(np.unique(defects[(labels > 0) & mask]))
        regions += len(found_here)
        elsewhere += len(found_here) - len(np.unique(labels[(labels > 0) & mask]))
    return {"marked": marked, "found": found, "regions": regions, "elsewhere": elsewhere}
