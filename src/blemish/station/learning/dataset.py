"""The judged images as a data set to fit and measure with, sent while it is being put together."""

import csv
from collections.abc import Iterator
from io import RawIOBase, StringIO
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from blemish.images.formats import EXTENSION_OF
from blemish.spreadsheet import uncalculated
from blemish.station.errors import NotFound
from blemish.station.recipe import Recipe
from blemish.station.records import Filter, Inspection, Verdict

FOLDERS = {Verdict.GOOD: "train/good", Verdict.DEFECT: "test/defect"}
COLUMNS = (
    *("id", "received", "recipe", "lot", "serial", "file", "feedback", "feedback_by", "defect_kind", "note"),
    *("score", "model", "verdict", "decided_by"),
)


def stream(recipe: Recipe) -> Iterator[bytes]:
    """A .zip file in the MVTec layout, piece by piece; memory holds one image and the table at a time.

    `train/good` and `test/defect` have the confirmed images, each file as it came and only once. `labels.csv`
    has a row for each judged inspection; `missing.txt`, if need be, says what was left out and why.
    Unavailable: the database, or later the disk, cannot be read.
    """
    return _pieces(recipe, recipe.store.verdicts(recipe.name))


class _Sink(RawIOBase):
    """What a zip file writes to; it cannot be sought in."""

    _pieces = b""

    def write(self, piece: Any) -> int:
        self._pieces += piece
        return len(piece)

    def take(self) -> bytes:
        taken, self._pieces = self._pieces, b""
        return taken


def _pieces(recipe: Recipe, said: dict[str, Verdict | None]) -> Iterator[bytes]:
    sink = _Sink()
    names: dict[str | int, str] = {}  # in the archive, by digest; empty for what was left out
    missing: list[str] = []
    table = StringIO(newline="")
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        rows = csv.DictWriter(table, COLUMNS)
        rows.writeheader()
        for inspection in recipe.store.every(Filter(recipe=recipe.name, feedback="any")):
            if inspection.image is not None and inspection.image not in said:
                continue  # judged since the beginning
            file = inspection.image or inspection.id
            if file not in names:
                try:
                    name, content = _entry(recipe, inspection, said)
                    year = min(max(inspection.received.year, 1980), 2107)  # what the format holds
                    archive.writestr(ZipInfo(name, (year, *inspection.received.timetuple()[1:6])), content)
                    yield sink.take()
                except NotFound as error:
                    name = ""
                    missing.append(f"{inspection.id}: {error}\n")
                names[file] = name
            told = inspection.model_dump(include={*COLUMNS}) | {"received": inspection.received.isoformat()}
            cells = told | {"file": names[file]}
            rows.writerow({name: uncalculated(cell) for name, cell in cells.items()})
        archive.writestr("labels.csv", table.getvalue())
        if missing:
            archive.writestr("missing.txt", "".join(missing))
    yield sink.take()


def _entry(recipe: Recipe, inspection: Inspection, said: dict[str, Verdict | None]) -> tuple[str, bytes]:
    """An image's name in the archive and its content; NotFound, with the reason, for what is left out."""
    extension = EXTENSION_OF.get(inspection.image_type)
    if inspection.image is None or extension is None:
        raise NotFound("it is no image that can be read")
    verdict = said[inspection.image]
    if verdict is None:
        raise NotFound("the same file was called good and a defect")
    try:
        content = recipe.files.read(inspection.image)
    except NotFound as error:
        raise NotFound("its file is gone") from error
    return f"{FOLDERS[verdict]}/{inspection.id:08}{extension}", content
