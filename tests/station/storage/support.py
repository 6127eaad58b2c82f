"""Inspections as the pipeline makes them, and files that are kept."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from blemish.station.records import Filter, Inspection, NewInspection, Source
from blemish.station.storage.files import Files, digest_of
from blemish.station.storage.store import Store

NOON = datetime(2026, 3, 31, 12, 0, 0, 123456, UTC)
MODEL = "5f" * 32


def new(number: int = 0, **fields: Any) -> NewInspection:
    """An inspection whose score, 0.00 to 0.99, is anomalous above 0.9."""
    score = number % 100 / 100
    values: dict[str, Any] = {"source": Source.API, "name": f"part {number}.png", "image_type": "image/png"}
    values |= {"received": NOON + timedelta(seconds=number), "milliseconds": 12.5, "width": 640}
    values |= {"image": f"{number:064x}", "image_bytes": 1000, "map": f"f{number:063x}", "map_bytes": 10}
    values |= {"height": 480, "map_low": -0.1, "map_high": 1 / 3, "score": score, "p_value": 0.25}
    values |= {"is_anomalous": score > 0.9, "threshold": 0.9, "false_alarm_rate": 0.01}
    values |= {"model": MODEL, "calibration": 7}
    return NewInspection.model_validate(values | fields)


def add(store: Store, name: str) -> Inspection:
    return store.add([new(name=name, image=None, map=None)])[0]


def names(store: Store) -> list[str]:
    """Of all inspections, oldest first."""
    return [one.name for one in store.select(Filter(), limit=10_000)][::-1]


def add_files(files: Files, *contents: bytes) -> list[str]:
    """Their digests, once they are kept."""
    files.add({digest_of(content): content for content in contents})
    return [digest_of(content) for content in contents]


@contextmanager
def limited_file_size(most: int) -> Iterator[None]:
    """No file of this process can be written beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
