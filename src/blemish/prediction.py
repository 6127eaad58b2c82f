"""From inputs named on the command line to rows, overlays and maps on disk."""

import csv
import glob
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from blemish.errors import BlemishError, DatasetError
from blemish.images import find_images

if TYPE_CHECKING:
    from blemish.detector import Detector
    from blemish.result import Result

COLUMNS = ("path", "score", "p_value", "is_anomalous", "error")
STANDARD_INPUT = "-"

Sink = Callable[["Result"], None]


def expand_inputs(inputs: Iterable[str]) -> Iterator[str]:
    """Image files named by files, folders (searched recursively), glob patterns, or "-" for a list on stdin.

    A file is passed on unread, so that a bad one becomes a row with its error.

    Raises:
        DatasetError: an input that is not there, a folder without images, a pattern that matches nothing.
    """
    for item in inputs:
        path = Path(item)
        if item == STANDARD_INPUT:
            yield from (line.strip() for line in sys.stdin if line.strip())
        elif path.is_dir():
            found = find_images(path, recursive=True)
            if not found:
                raise DatasetError(f"The folder {item} holds no images.")
            yield from map(str, found)
        elif path.exists():
            yield item
        elif glob.has_magic(item):
            matches = glob.glob(item, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
            files = [match for match in sorted(matches) if Path(match).is_file()]
            if not files:
                raise DatasetError(f"No file matches {item}.")
            yield from files
        else:
            raise DatasetError(f"{item} does not exist; give image files, folders, patterns or -.")


def predict_to_files(
    detector: "Detector",
    paths: Iterable[str],
    *,
    batch_size: int,
    csv_file: Path | None = None,
    jsonl_file: Path | None = None,
    overlays: Path | None = None,
    maps: Path | None = None,
    rows_to: IO[str] | None = None,
    advance: Callable[..., None] = lambda: None,
) -> dict[str, int]:
    """Judge files and write what was asked for, one image at a time.

    Args:
        detector: a calibrated detector.
        paths: image files.
        batch_size: images scored at once.
        csv_file, jsonl_file: rows with the fields of `COLUMNS`; complete files or none.
        overlays: folder for a PNG of each image under its heat map.
        maps: folder for each raw anomaly map, float32 [S, S] in NumPy's .npy format.
        rows_to: an open text file for CSV rows, such as standard output.
        advance: called after each image.

    Returns:
        How many images there were: "images", "anomalous", "errors".
    """
    counts = {"images": 0, "anomalous": 0, "errors": 0}
    with ExitStack() as stack:
        sinks: list[Sink] = []
        if rows_to is not None:
            sinks.append(_csv_sink(rows_to))
        if csv_file is not None:
            sinks.append(_csv_sink(stack.enter_context(_whole_file(csv_file))))
        if jsonl_file is not None:
            sinks.append(_jsonl_sink(stack.enter_context(_whole_file(jsonl_file))))
        if overlays is not None:
            sinks.append(_overlay_sink(overlays, detector))
        if maps is not None:
            sinks.append(_map_sink(maps))
        for result in detector.predict_many(paths, batch_size=batch_size):
            for sink in sinks:
                sink(result)
            counts["images"] += 1
            counts["anomalous"] += bool(result.is_anomalous)
            counts["errors"] += bool(result.error)
            advance()
    return counts


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[str]]:
    """A text file that takes its name once it is complete; before that it ends in .part."""
    temporary = path.with_name(path.name + ".part")
    try:
        file = temporary.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise BlemishError(f"{path} cannot be written: {error.strerror}.") from error
    with file:
        yield file
    temporary.replace(path)


def _csv_sink(file: IO[str]) -> Sink:
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()

    def write(result: "Result") -> None:
        row: dict[str, Any] = result.to_row()
        if row["is_anomalous"] is not None:
            row["is_anomalous"] = str(row["is_anomalous"]).lower()
        writer.writerow(row)

    return write


def _jsonl_sink(file: IO[str]) -> Sink:
    return lambda result: print(json.dumps(result.to_row()), file=file)


def _overlay_sink(folder: Path, detector: "Detector") -> Sink:
    from blemish.pictures import HeatScale, overlay, save_png

    scale = HeatScale.from_calibration(detector.calibration)

    def write(result: "Result") -> None:
        if result.image is not None and result.anomaly_map is not None:
            picture = overlay(result.image, result.anomaly_map, scale.low, scale.high)
            save_png(picture, _place(folder, result.path, ".png"))

    return write


def _map_sink(folder: Path) -> Sink:
    def write(result: "Result") -> None:
        if result.anomaly_map is not None:
            np.save(_place(folder, result.path, ".npy"), result.anomaly_map)

    return write


def _place(folder: Path, path: str, suffix: str) -> Path:
    """A file below `folder` for an input file: its path as given, so that no two inputs share one."""
    given = Path(path)
    parts = given.parts[1:] if given.anchor else given.parts
    place = folder.joinpath(*("up" if part == ".." else part for part in parts))
    if place.suffix.lower() != suffix:
        place = place.with_name(place.name + suffix)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BlemishError(f"{place.parent} cannot be made: {error.strerror}.") from error
    return place
