"""How fast fitted models score, measured so that a machine whose speed drifts treats all of them alike."""

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from blemish.datasets import Sample, load_frames

if TYPE_CHECKING:
    from blemish.detector import Detector

TURNS = 5
LEAST_SECONDS = 0.5


def scoring_speed(detectors: Mapping[str, "Detector"], samples: Sequence[Sample]) -> dict[str, float]:
    """Images per second from decoded frames to scores and maps, in batches of the detector's usual size.

    After a batch to warm up, the detectors take `TURNS` turns one after the other, each of at least one batch
    and half a second; the median over the turns counts. Decoding is left out: it is the same for all.

    Args:
        detectors: by name, in the order of their turns.
        samples: readable images, repeated to fill a batch.
    """
    batches = {}
    for name, detector in detectors.items():
        frames, _, _ = load_frames(samples[: detector.batch_size], detector.frame)
        batches[name] = np.resize(frames, (detector.batch_size, *frames.shape[1:]))
        detector.engine(batches[name])
    rates: dict[str, list[float]] = {name: [] for name in detectors}
    for _ in range(TURNS):
        for name, detector in detectors.items():
            rates[name].append(_turn(detector, batches[name]))
    return {name: statistics.median(measured) for name, measured in rates.items()}


def _turn(detector: "Detector", batch: np.ndarray) -> float:
    start, images = time.perf_counter(), 0
    while True:
        detector.engine(batch)
        images += len(batch)
        seconds = time.perf_counter() - start
        if seconds >= LEAST_SECONDS:
            return images / seconds
