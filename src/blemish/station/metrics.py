"""Figures for Prometheus; a registry of its own for each station."""

import math
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from blemish.errors import BlemishError
from blemish.station.records import Inspection

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """What a station counts and times since it started.

    Attributes:
        failures: images that could not be used ("image"), scored ("model") or kept ("store").
        batches: images scored at once.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._inspections = Counter(
            "blemish_inspections", "Images inspected and kept.", ["source", "verdict"], registry=registry
        )
        self.failures = Counter(
            "blemish_failures", "Images that could not be used or kept.", ["reason"], registry=registry
        )
        self._seconds = Histogram(
            "blemish_inspection_seconds",
            "From receipt to the durable record.",
            buckets=SECONDS,
            registry=registry,
        )
        self._p_values = Histogram(
            "blemish_p_value",
            "Share of good images expected to score as high; evenly spread while nothing drifts.",
            buckets=SHARES,
            registry=registry,
        )
        self.batches = Histogram(
            "blemish_batch_images", "Images scored at once.", buckets=SIZES, registry=registry
        )

    def inspected(self, inspection: Inspection, seconds: float) -> None:
        """Count an acknowledged inspection, and the seconds it took."""
        verdict = {None: "failed", True: "anomalous", False: "good"}[inspection.is_anomalous]
        self._inspections.labels(inspection.source.value, verdict).inc()
        self._seconds.observe(seconds)
        if inspection.p_value is not None:
            self._p_values.observe(inspection.p_value)

    def gauge(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Show a value that is looked up whenever somebody asks; NaN where it cannot be had."""

        def look_up() -> float:
            try:
                return value()
            except BlemishError:
                return math.nan

        Gauge(f"blemish_{name}", what, registry=self._registry).set_function(look_up)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self._registry)
