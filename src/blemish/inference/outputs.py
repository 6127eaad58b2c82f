"""From results to rows, overlays and maps on disk."""

import csv
import json
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from blemish.errors import BlemishError, ImageError
from blemish.files import (
    LONGEST_NAME,
    check_output,
    make_folder,
    shortened,
    whole_file,
    writing,
)
from blemish.images.drawing import panels, save_png
from blemish.images.finding import EXPLANATION_SUFFIX, OVERLAY_SUFFIX
from blemish.inference.parquet import local_path
from blemish.inference.region_files import LABELME_SUFFIX, for_labelme, region_rows, write_labelme
from blemish.inference.result import Result, columns
from blemish.spreadsheet import uncalculated

if TYPE_CHECKING:
    from blemish.inference.detector import Detector

MAP_SUFFIX = ".map.npy"
ROOM_FOR_NUMBER = 8  # bytes that tell apart files whose names would be the same

log = logging.getLogger(__name__)

Sink = Callable[[Result], None]


@dataclass(frozen=True)
class Outputs:
    """What a prediction writes.

    Attributes:
        csv: file for rows (`Result.to_row`), or "-" for standard output. It takes its name once it is
            complete; after a failure the rows so far lie in a file of that name with .part behind it.
        jsonl: likewise, one JSON object per line.
        parquet: likewise, a file or a URL; see `blemish.inference.parquet`.
        overlays: folder for a PNG of each image under its heat map, in the image's own resolution, above its
            verdict and the colours' scale (`Result.explained_overlay`).
        side_by_side: whether each overlay has the original at its left.
        explain: folder for a PNG of each image beside its reconstruction, error map and Grad-CAM map
            (`Result.pictures`).
        maps: folder for each raw anomaly map on its image, float32 [height, width] in NumPy's .npy format
            (`Result.map_on_image`).
        regions: file for the regions of all images, .csv, .jsonl or .json (COCO), or folder for a LabelMe
            file of each (`blemish.inference.region_files`).
        scale: millimetres per pixel of the originals, for the regions; None leaves them in pixels.

    Raises:
        BlemishError: two outputs are one file, or one is a folder or in a folder that is not there; the file
            of regions is of no known kind.
    """

    csv: Path | None = None
    jsonl: Path | None = None
    parquet: str | None = None
    overlays: Path | None = None
    side_by_side: bool = False
    explain: Path | None = None
    maps: Path | None = None
    regions: Path | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        parquet = None if self.parquet is None else local_path(self.parquet)
        regions = None if self.regions is None or for_labelme(self.regions) else self.regions
        named = {"--csv": self.csv, "--jsonl": self.jsonl, "--parquet": parquet, "--regions": regions}
        files = {option: os.path.realpath(file) for option, file in named.items() if file is not None}
        for (option, file), (other, another) in combinations(files.items(), 2):
            if file == another:
                raise BlemishError(f"{option} and {other} both name {file}; give two files.")
        for path in named.values():
            if path is not None:
                check_output(path)


def predict_to_files(
    detector: "Detector",
    paths: Iterable[str],
    outputs: Outputs,
    *,
    batch_size: int,
    advance: Callable[..., None] = lambda: None,
) -> dict[str, int]:
    """Judge files and write what was asked for, one image at a time, while the next ones are scored.

    Args:
        detector: a calibrated detector; a `blemish.inference.on_ray.DetectorOnRay` gives rows alone.
        paths: image files.
        outputs: what to write.
        batch_size: images scored at once.
        advance: called after each image.

    Returns:
        How many images there were: "images", "anomalous", "other_parts", "errors".

    Raises:
        BlemishError: an output cannot be written, or the model has nothing to explain.
    """
    if outputs.explain is not None and not detector.can_explain:
        raise BlemishError(
            f"This {detector.metadata['method']} model gives no explanations: --explain needs the "
            ".safetensors file of a method that redraws images, fitted without tiles; leave it out."
        )
    counts = {"images": 0, "anomalous": 0, "other_parts": 0, "errors": 0}
    with ExitStack() as stack:
        sinks = _sinks(outputs, detector, stack)
        results = detector.predict_many(paths, batch_size=batch_size, explain=outputs.explain is not None)
        stack.enter_context(closing(results))
        for result in results:
            for output, sink in sinks:
                with writing(output):
                    sink(result)
            counts["images"] += 1
            counts["anomalous"] += bool(result.is_anomalous)
            counts["other_parts"] += bool(result.is_other_part)
            counts["errors"] += bool(result.error)
            advance()
    return counts


def _sinks(outputs: Outputs, detector: "Detector", stack: ExitStack) -> list[tuple[Path | str, Sink]]:
    """What takes each result, and its name in messages."""
    sinks: list[tuple[Path | str, Sink]] = []
    csv_sink = partial(_csv_sink, columns=columns(detector.rules))
    for path, sink in ((outputs.csv, csv_sink), (outputs.jsonl, _jsonl_sink)):
        if path is not None:
            file = stack.enter_context(whole_file(path, keep_unfinished=True))
            with writing(path):
                sinks.append((path, sink(file)))
    if outputs.parquet is not None:
        from blemish.inference.parquet import parquet_rows

        sinks.append((outputs.parquet, stack.enter_context(parquet_rows(outputs.parquet, detector))))
    if outputs.regions is not None and not for_labelme(outputs.regions):
        rows = stack.enter_context(region_rows(outputs.regions, outputs.scale))
        sinks.append((outputs.regions, rows))
    elif outputs.regions is not None:
        sinks.append((outputs.regions, _picture_sink(outputs.regions, LABELME_SUFFIX, write_labelme)))
    for folder, suffix, draw in (
        (outputs.overlays, OVERLAY_SUFFIX, partial(_draw_overlay, beside=outputs.side_by_side)),
        (outputs.explain, EXPLANATION_SUFFIX, _draw_explanation),
        (outputs.maps, MAP_SUFFIX, _write_map),
    ):
        if folder is not None:
            sinks.append((folder, _picture_sink(folder, suffix, draw)))
    return sinks


def _csv_sink(file: IO[str], columns: Sequence[str]) -> Sink:
    writer = csv.DictWriter(file, columns, lineterminator="\n")
    writer.writeheader()

    def write(result: Result) -> None:
        row: dict[str, Any] = result.to_row()
        writer.writerow(
            {
                name: str(cell).lower() if isinstance(cell, bool) else uncalculated(cell)
                for name, cell in row.items()
            }
        )
        file.flush()

    return write


def _jsonl_sink(file: IO[str]) -> Sink:
    return lambda result: print(json.dumps(result.to_row()), file=file, flush=True)


def _picture_sink(folder: Path, suffix: str, draw: Callable[[Result, Path], None]) -> Sink:
    """Files below a folder for input files: their paths as given, with a suffix that no input has."""
    taken: set[int] = set()  # hashes: a hundred thousand paths would take 40 MB
    make_folder(folder)

    def write(result: Result) -> None:
        if result.error:
            return
        given = Path(result.path)
        parts = given.parts[1:] if given.anchor else given.parts
        room = LONGEST_NAME - len(suffix) - ROOM_FOR_NUMBER
        wanted = folder.joinpath(*("up" if part == ".." else shortened(part, room) for part in parts))
        name = wanted.stem if suffix == LABELME_SUFFIX else wanted.name
        place, number = wanted.with_name(name + suffix), 1
        while hash(place) in taken:
            number += 1
            place = wanted.with_name(f"{name}-{number}{suffix}")
        taken.add(hash(place))
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            draw(result, place)
        except ImageError as error:  # the file has gone, or is another by now
            log.warning("No picture is drawn: %s", error)

    return write


def _draw_overlay(result: Result, place: Path, *, beside: bool) -> None:
    save_png(result.explained_overlay(side_by_side=beside), place)


def _draw_explanation(result: Result, place: Path) -> None:
    save_png(panels(result.pictures()), place)


def _write_map(result: Result, place: Path) -> None:
    with whole_file(place, "wb") as file:
        np.save(file, result.map_on_image())
