"""Inspections as a table, for spreadsheets and programs."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any

from blemish.station.records import Filter, Inspection
from blemish.station.storage.store import Store

LEFT_OUT = ("id", "key", "image_bytes", "image_type", "map", "map_bytes", "map_low", "map_high")
COLUMNS = ["id", "outcome", *(name for name in Inspection.model_fields if name not in LEFT_OUT)]
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula begins so


def uncalculated(value: Any) -> Any:
    """A value as it is, but a text that a spreadsheet would calculate with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def csv_of(store: Store, filter: Filter) -> Iterator[str]:
    """A header and a row for each inspection, newest first, in pieces of some hundred rows; times are UTC."""
    text = StringIO(newline="")
    rows = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    rows.writeheader()
    for found in store.every(filter):
        for one in found:
            values = one.model_dump(mode="json") | {"outcome": one.outcome}
            rows.writerow({name: uncalculated(value) for name, value in values.items()})
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()
