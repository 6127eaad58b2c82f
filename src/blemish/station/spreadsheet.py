"""Records as a table, for spreadsheets and programs."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import islice
from typing import Any

from blemish.station.records import AuditEntry, Inspection, Record

LEFT_OUT = ("id", "key", "image_bytes", "image_type", "map", "map_bytes", "map_low", "map_high")
INSPECTION = ["id", "outcome", *(name for name in Inspection.model_fields if name not in LEFT_OUT)]
AUDIT = list(AuditEntry.model_fields)
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula begins so
AT_ONCE = 500  # rows in a piece


def uncalculated(value: Any) -> Any:
    """A value as it is, but a text that a spreadsheet would calculate with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def csv_of(columns: Sequence[str], records: Iterable[Record]) -> Iterator[str]:
    """A header and a row for each record, in pieces of some hundred rows; times are UTC."""
    waiting = iter(records)
    found = list(islice(waiting, AT_ONCE))
    yield _lines([columns, *_rows(columns, found)])
    while found := list(islice(waiting, AT_ONCE)):
        yield _lines(_rows(columns, found))


def _rows(columns: Sequence[str], records: Iterable[Record]) -> list[list[Any]]:
    computed = {"outcome"} & {*columns}
    told = [one.model_dump(mode="json") | {name: getattr(one, name) for name in computed} for one in records]
    return [[uncalculated(values[name]) for name in columns] for values in told]


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()
