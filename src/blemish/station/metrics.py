"""Figures for Prometheus; a registry of its own for each station."""

import math
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from blemish.errors import BlemishError
from blemish.station.records import Inspection

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """What a station counts and times since it started.

    `failures`: images that could not be used ("image"), scored ("model") or kept ("store").
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        kinds = ["recipe", "source", "verdict"]
        self._inspections = Counter("blemish_inspections", "Inspected and kept.", kinds, registry=registry)
        self.failures = Counter("blemish_failures", "Not used or kept.", ["reason"], registry=registry)
        histogram = partial(Histogram, registry=registry)
        self._seconds = histogram("blemish_inspection_seconds", "From receipt to record.", buckets=SECONDS)
        self._p_values = histogram("blemish_p_value", "Even without drift.", ["recipe"], buckets=SHARES)
        self.batches = histogram("blemish_batch_images", "Images scored at once.", buckets=SIZES)

    def inspected(self, inspection: Inspection, seconds: float) -> None:
        self._inspections.labels(inspection.recipe, inspection.source.value, inspection.outcome).inc()
        self._seconds.observe(seconds)
        if inspection.p_value is not None:
            self._p_values.labels(inspection.recipe).observe(inspection.p_value)

    def gauge(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Show a value that is looked up whenever somebody asks; NaN where it cannot be had."""

        def look_up() -> float:
            try:
                return value()
            except BlemishError:
                return math.nan

        Gauge(f"blemish_{name}", what, registry=self._registry).set_function(look_up)

    def text(self) -> bytes:
        return generate_latest(self._registry)
