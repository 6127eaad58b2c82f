"""How fast fitted models score, measured so that a machine whose speed drifts treats all of them alike."""

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from blemish.datasets import Sample
from blemish.images.reading import load_frame
from blemish.inference.scoring import score_images

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

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
        count = 1 if detector.frame.tile else detector.batch_size  # a tiled picture makes a batch by itself
        frames = [load_frame(sample.path, detector.frame) for sample in samples[:count]]
        batches[name] = [frames[number % len(frames)] for number in range(count)]
        score_images(detector.engine, detector.frame, batches[name], detector.batch_size)
    rates: dict[str, list[float]] = {name: [] for name in detectors}
    for _ in range(TURNS):
        for name, detector in detectors.items():
            rates[name].append(_turn(detector, batches[name]))
    return {name: statistics.median(measured) for name, measured in rates.items()}


def _turn(detector: "Detector", batch: list[np.ndarray]) -> float:
    start, images = time.perf_counter(), 0
    while True:
        score_images(detector.engine, detector.frame, batch, detector.batch_size)
        images += len(batch)
        seconds = time.perf_counter() - start
        if seconds >= LEAST_SECONDS:
            return images / seconds
