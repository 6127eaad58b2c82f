"""From inputs named on the command line to rows, overlays and maps on disk."""

import csv
import glob
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from blemish.errors import BlemishError, DatasetError
from blemish.images import find_images
from blemish.outputs import check_outputs, whole_file, writing
from blemish.urls import find_urls, is_url

if TYPE_CHECKING:
    from blemish.detector import Detector
    from blemish.result import Result

COLUMNS = ("path", "score", "p_value", "is_anomalous", "error")
STANDARD_INPUT = "-"
STANDARD_OUTPUT = "Standard output"
OVERLAY_SUFFIX, EXPLANATION_SUFFIX, MAP_SUFFIX = ".heat.png", ".explain.png", ".map.npy"

Sink = Callable[["Result"], None]


def expand_inputs(inputs: Iterable[str]) -> Iterator[str]:
    """Image files named by files, folders (searched recursively), glob patterns, URLs of files or folders, or
    "-" for a list on stdin.

    A file is passed on unread, so that a bad one becomes a row with its error. Overlays and explanations
    that an earlier run left in a folder are passed over.

    Raises:
        DatasetError: an input that is not there, a folder without images, a pattern that matches nothing.
    """
    for item in inputs:
        path = Path(item)
        if not item:
            raise DatasetError("An input is empty; give image files, folders, patterns, URLs or -.")
        if item == STANDARD_INPUT:
            yield from (line.strip() for line in sys.stdin if line.strip())
        elif is_url(item) or path.is_dir():
            found = find_urls(item) if is_url(item) else map(str, find_images(path, recursive=True))
            images = (image for image in found if not image.endswith((OVERLAY_SUFFIX, EXPLANATION_SUFFIX)))
            first = next(images, None)
            if first is None:
                raise DatasetError(f"The folder {item} holds no images.")
            yield first
            yield from images
        elif path.exists():
            yield item
        elif glob.has_magic(item):
            matches = glob.glob(item, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
            files = [match for match in sorted(matches) if Path(match).is_file()]
            if not files:
                raise DatasetError(f"No file matches {item}.")
            yield from files
        else:
            raise DatasetError(f"{item} does not exist; give image files, folders, patterns, URLs or -.")


def predict_to_files(
    detector: "Detector",
    paths: Iterable[str],
    *,
    batch_size: int,
    csv_file: Path | None = None,
    jsonl_file: Path | None = None,
    parquet_file: str | None = None,
    overlays: Path | None = None,
    explain: Path | None = None,
    maps: Path | None = None,
    rows_to: IO[str] | None = None,
    advance: Callable[..., None] = lambda: None,
) -> dict[str, int]:
    """Judge files and write what was asked for, one image at a time, while the next ones are scored.

    Args:
        detector: a calibrated detector; a `blemish.prediction_on_ray.DetectorOnRay` gives rows alone.
        paths: image files.
        batch_size: images scored at once.
        csv_file: rows with the fields of `COLUMNS`. It takes its name once it is complete; after a failure
            the rows so far lie in a file of that name with .part behind it.
        jsonl_file: likewise, one JSON object per line.
        parquet_file: likewise, a file or a URL; see `blemish.parquet`.
        overlays: folder for a PNG of each image under its heat map.
        explain: folder for a PNG of each image beside its reconstruction, error map and Grad-CAM map.
        maps: folder for each raw anomaly map, float32 [S, S] in NumPy's .npy format.
        rows_to: an open text file for CSV rows, such as standard output.
        advance: called after each image.

    Returns:
        How many images there were: "images", "anomalous", "errors".

    Raises:
        BlemishError: an output cannot be written, or the model has nothing to explain.
    """
    check_outputs(csv_file, jsonl_file, parquet_file)
    if explain is not None and not detector.can_explain:
        raise BlemishError(
            f"This {detector.metadata['method']} model gives no explanations: --explain needs the "
            ".safetensors file of a method that redraws images, fitted without tiles; leave it out."
        )
    counts = {"images": 0, "anomalous": 0, "errors": 0}
    with ExitStack() as stack:
        sinks: list[tuple[Path | str, Sink]] = []
        if rows_to is not None:
            with writing(STANDARD_OUTPUT):
                sinks.append((STANDARD_OUTPUT, _csv_sink(rows_to)))
        if csv_file is not None:
            sinks.append((csv_file, _csv_sink(stack.enter_context(whole_file(csv_file)))))
        if jsonl_file is not None:
            sinks.append((jsonl_file, _jsonl_sink(stack.enter_context(whole_file(jsonl_file)))))
        if parquet_file is not None:
            from blemish.parquet import parquet_rows

            sinks.append((parquet_file, stack.enter_context(parquet_rows(parquet_file, detector))))
        if overlays is not None:
            sinks.append((overlays, _overlay_sink(overlays, detector)))
        if explain is not None:
            sinks.append((explain, _explanation_sink(explain, detector)))
        if maps is not None:
            sinks.append((maps, _map_sink(maps)))
        results = detector.predict_many(paths, batch_size=batch_size, explain=explain is not None)
        stack.enter_context(closing(results))
        for result in results:
            for output, sink in sinks:
                with writing(output):
                    sink(result)
            counts["images"] += 1
            counts["anomalous"] += bool(result.is_anomalous)
            counts["errors"] += bool(result.error)
            advance()
    return counts


def _csv_sink(file: IO[str]) -> Sink:
    writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    writer.writeheader()

    def write(result: "Result") -> None:
        row: dict[str, Any] = result.to_row()
        if row["is_anomalous"] is not None:
            row["is_anomalous"] = str(row["is_anomalous"]).lower()
        writer.writerow(row)
        file.flush()

    return write


def _jsonl_sink(file: IO[str]) -> Sink:
    return lambda result: print(json.dumps(result.to_row()), file=file, flush=True)


def _overlay_sink(folder: Path, detector: "Detector") -> Sink:
    from blemish.pictures import save_png

    scale = detector.heat_scale
    places = _Places(folder, OVERLAY_SUFFIX)

    def write(result: "Result") -> None:
        if not result.error:
            save_png(result.overlay(scale), places.place(result.path))

    return write


def _explanation_sink(folder: Path, detector: "Detector") -> Sink:
    from blemish.pictures import panels, save_png

    scale = detector.heat_scale
    places = _Places(folder, EXPLANATION_SUFFIX)

    def write(result: "Result") -> None:
        if not result.error:
            save_png(panels(result.pictures(scale)), places.place(result.path))

    return write


def _map_sink(folder: Path) -> Sink:
    places = _Places(folder, MAP_SUFFIX)

    def write(result: "Result") -> None:
        if result.anomaly_map is not None:
            np.save(places.place(result.path), result.anomaly_map)

    return write


class _Places:
    """Files below a folder for input files: their paths as given, with a suffix that no input has."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder, self.suffix = folder, suffix
        self.taken: set[int] = set()  # hashes: a hundred thousand paths would take 40 MB
        self._make(folder)

    def place(self, path: str) -> Path:
        given = Path(path)
        parts = given.parts[1:] if given.anchor else given.parts
        wanted = self.folder.joinpath(*("up" if part == ".." else part for part in parts))
        place, number = wanted.with_name(wanted.name + self.suffix), 1
        while hash(place) in self.taken:
            number += 1
            place = wanted.with_name(f"{wanted.name}-{number}{self.suffix}")
        self.taken.add(hash(place))
        self._make(place.parent)
        return place

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BlemishError(f"The folder {folder} cannot be made: {error.strerror}.") from error
