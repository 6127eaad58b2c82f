"""The judged images as a data set to fit and measure with, sent while it is being put together."""

import csv
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from blemish.station.errors import NotFound
from blemish.station.learning.feedback import verdicts
from blemish.station.records import Inspection, Verdict
from blemish.station.station import Station

FOLDERS = {Verdict.GOOD: "train/good", Verdict.DEFECT: "test/defect"}
EXTENSIONS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/webp": ".webp",
}
COLUMNS = ("id", "received", "file", "feedback", "note", "score", "model")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula begins so


def stream(station: Station) -> Iterator[bytes]:
    """A .zip file in the MVTec layout, piece by piece; memory holds one image and the table at a time.

    `train/good` has the images confirmed as good, `test/defect` the confirmed defects, each file as it came
    and only once, however often it was inspected. `labels.csv` has a row for each judged inspection; a note
    that a spreadsheet would calculate has an apostrophe before it.
    `missing.txt`, where there is need of it, says what was left out and why: a file that is gone or cannot be
    decoded, or contradictory verdicts on the same file.

    Raises:
        Unavailable: the database cannot be read; later, while the pieces are taken, the disk too.
    """
    return _pieces(station, verdicts(station.store))


class _Sink:
    """What a zip file writes to; it cannot be sought in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _pieces(station: Station, said: dict[str, Verdict | None]) -> Iterator[bytes]:
    sink = _Sink()
    names: dict[str | int, str] = {}  # in the archive, by digest; empty for what was left out
    missing: list[str] = []
    table = StringIO(newline="")
    with ZipFile(sink, "w", ZIP_STORED) as archive:  # type: ignore[call-overload]
        rows = csv.writer(table)
        rows.writerow(COLUMNS)
        for inspection in station.store.judged():
            if inspection.image is not None and inspection.image not in said:
                continue  # judged since the beginning
            file = inspection.image or inspection.id
            if file not in names:
                try:
                    name, content = _entry(station, inspection, said)
                    archive.writestr(ZipInfo(name, _zip_time(inspection.received)), content)
                    yield sink.take()
                except NotFound as error:
                    name = ""
                    missing.append(f"{inspection.id}: {error}\n")
                names[file] = name
            rows.writerow(_row(inspection, names[file]))
        archive.writestr("labels.csv", table.getvalue())
        if missing:
            archive.writestr("missing.txt", "".join(missing))
    yield sink.take()


def _entry(station: Station, inspection: Inspection, said: dict[str, Verdict | None]) -> tuple[str, bytes]:
    """An image's name in the archive and its content; NotFound, with the reason, for what is left out."""
    extension = EXTENSIONS.get(inspection.image_type)
    if inspection.image is None or extension is None:
        raise NotFound("it is no image that can be read")
    verdict = said[inspection.image]
    if verdict is None:
        raise NotFound("the same file was called good and a defect")
    try:
        content = station.files.read(inspection.image)
    except NotFound as error:
        raise NotFound("its file is gone") from error
    return f"{FOLDERS[verdict]}/{inspection.id:08}{extension}", content


def _row(inspection: Inspection, name: str) -> tuple[object, ...]:
    note = inspection.note
    return (
        inspection.id,
        inspection.received.isoformat(),
        name,
        inspection.feedback,
        f"'{note}" if note.startswith(FORMULA) else note,
        inspection.score,
        inspection.model,
    )


def _zip_time(time: datetime) -> tuple[int, int, int, int, int, int]:
    year = min(max(time.year, 1980), 2107)  # what the format holds
    return (year, time.month, time.day, time.hour, time.minute, time.second)
