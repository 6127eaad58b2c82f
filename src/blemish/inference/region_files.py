"""Regions on disk: rows, COCO and LabelMe."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any

from blemish.errors import ConfigError
from blemish.files import whole_file, writing
from blemish.images.urls import is_url
from blemish.inference.regions import Region
from blemish.inference.result import Result
from blemish.spreadsheet import uncalculated

SUFFIXES = (".csv", ".jsonl", ".json")
LABELME_SUFFIX = ".json"  # in place of the image's own
LABEL = "defect"
BOX = ("box_x", "box_y", "box_width", "box_height")
MEASURES = (
    "area",
    "length",
    "width",
    "centre_x",
    "centre_y",
    "edge_distance",
    "peak",
    "mean",
    "p_value",
    "counts",
)
IN_MILLIMETRES = ("area_mm2", "length_mm", "width_mm", "edge_distance_mm")

Sink = Callable[[Result], None]


def for_labelme(path: Path) -> bool:
    """Whether regions go to a folder, as a LabelMe file for each image, rather than to one file.

    Raises:
        ConfigError: the suffix is of no known kind of file.
    """
    if path.suffix.lower() in SUFFIXES:
        return False
    if path.suffix and not path.is_dir():
        raise ConfigError(
            f"--regions {path} is of no known kind; name a file that ends in .csv, .jsonl or .json (COCO), "
            "or a folder (LabelMe)."
        )
    return True


@contextmanager
def region_rows(path: Path, scale: float | None) -> Iterator[Sink]:
    """Takes results and writes their regions as .csv, .jsonl or COCO .json; see `docs/regions.md`.

    A file takes its name when it is complete.

    Args:
        path: the file to write.
        scale: millimetres per pixel, or None.
    """
    with whole_file(path, keep_unfinished=True) as file:
        if path.suffix.lower() == ".json":
            coco = _Coco(scale)
            yield coco.add
            with writing(path):
                json.dump(coco.content, file)
        else:
            yield (_csv_sink if path.suffix.lower() == ".csv" else _jsonl_sink)(file, scale)


def _csv_sink(file: IO[str], scale: float | None) -> Sink:
    names = ["path", "region", *BOX, *MEASURES, *(IN_MILLIMETRES if scale else ())]
    writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()

    def write(result: Result) -> None:
        for number, region in enumerate(result.regions, start=1):
            values = region.to_dict(scale)
            values |= dict(zip(BOX, values["box"], strict=True))
            values["counts"] = str(region.counts).lower()
            values |= dict(zip(("centre_x", "centre_y"), values["centre"], strict=True))
            writer.writerow({"path": uncalculated(result.path), "region": number, **values})
        file.flush()

    return write


def _jsonl_sink(file: IO[str], scale: float | None) -> Sink:
    def write(result: Result) -> None:
        found = [region.to_dict(scale) for region in result.regions]
        print(json.dumps(result.to_row() | {"regions": found}), file=file, flush=True)

    return write


class _Coco:
    """A COCO data set of instances, each image's once it is there."""

    def __init__(self, scale: float | None) -> None:
        self.scale = scale
        self.content: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": 1, "name": LABEL}],
        }

    def add(self, result: Result) -> None:
        if result.size is None:
            return
        width, height = result.size
        images, annotations = self.content["images"], self.content["annotations"]
        number = len(images) + 1
        images.append({"id": number, "file_name": result.path, "width": width, "height": height})
        for region in result.regions:
            values = region.to_dict(self.scale)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": values.pop("box"),
                    "segmentation": [list(chain(*polygon)) for polygon in values.pop("outline")],
                    "score": region.peak,
                    **values,
                }
            )


def write_labelme(result: Result, place: Path) -> None:
    """Write the regions of one image as a file of LabelMe, a shape for each polygon."""
    assert result.size is not None
    shapes = chain(*(_shapes(number, region) for number, region in enumerate(result.regions, start=1)))
    here = result.path if is_url(result.path) else os.path.relpath(result.path, place.parent)
    content: dict[str, Any] = {
        "version": "5.0.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": here,
        "imageData": None,
        "imageWidth": result.size[0],
        "imageHeight": result.size[1],
    }
    with whole_file(place) as file:
        json.dump(content, file)


def _shapes(number: int, region: Region) -> list[dict[str, Any]]:
    return [
        {
            "label": LABEL,
            "points": polygon,
            "group_id": number,
            "description": f"p-value {region.p_value:.3g}" + ("" if region.counts else ", does not count"),
            "shape_type": "polygon",
            "flags": {},
        }
        for polygon in region.to_dict()["outline"]
    ]
