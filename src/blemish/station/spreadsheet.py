"""Records as a table, for spreadsheets and programs."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from blemish.spreadsheet import uncalculated
from blemish.station.records import AuditEntry, Inspection, Record

LEFT_OUT = ("id", "key", "image_bytes", "image_type", "map", "map_bytes", "map_low", "map_high")
INSPECTION = ["id", "outcome", *(name for name in Inspection.model_fields if name not in LEFT_OUT)]
AUDIT = list(AuditEntry.model_fields)
PIECE = 100_000  # characters


def csv_of(columns: Sequence[str], records: Iterable[Record]) -> Iterator[str]:
    """A header and a row for each record, in pieces; times are UTC."""
    text = StringIO(newline="")
    table = csv.DictWriter(text, columns)
    table.writeheader()
    for record in records:
        told = record.model_dump(mode="json") | {"outcome": getattr(record, "outcome", None)}
        table.writerow({name: uncalculated(told[name]) for name in columns})
        if text.tell() > PIECE:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
