"""Data sets that are a table of image files."""

import csv
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from blemish.datasets.checks import check_dataset
from blemish.datasets.sample import Dataset, Sample, is_good
from blemish.errors import DatasetError
from blemish.images.finding import FilePath, name_on_disk

GOOD_NUMBERS = frozenset({"0", "0.0"})
DEFECT_LABELS = frozenset({"1", "1.0", "bad", "defect"})
COLUMNS = ("path", "label", "mask", "split", "part")


def read_table(table: FilePath, *, good_split: str = "train") -> Dataset:
    """Read a comma-separated table with a header row and the columns path, label, mask, split and part.

    Paths are relative to the table. A label is 0 or one of `GOOD_NAMES` for a good image; 1, bad and
    defect stand for the kind "defect", anything else is itself the kind of defect. `mask` may be absent or
    empty, and is not used for a good image.
    `split` is train or test; without that column good images are for `good_split`, which is train, and
    defective ones for testing. `part`, which may be absent or empty too, names the part that is seen.

    Raises:
        DatasetError: with the table, row and column at fault.
    """
    path = Path(table)
    dataset = Dataset(path.stem)
    rows_by_image: dict[Path, int] = {}
    for line, row in read_rows(path, ("path", "label"), COLUMNS):
        sample = _sample(path, line, row)
        image = sample.path.resolve()
        if image in rows_by_image:
            raise fault(path, line, "path", f"repeats the image of row {rows_by_image[image]}; keep one row")
        rows_by_image[image] = line
        split = row.get("split", good_split if sample.label == 0 else "test").lower()
        if split not in ("train", "test"):
            raise fault(path, line, "split", f"is {split!r}; write train or test")
        if split == "train" and sample.label == 1:
            raise fault(path, line, "split", "puts a defective image into training; write test")
        (dataset.train if split == "train" else dataset.test).append(sample)
    check_dataset(dataset, str(path))
    return dataset


def fault(table: Path, line: int, column: str, what: str) -> DatasetError:
    """What is wrong in a cell, as the sentence to raise."""
    return DatasetError(f"{table}, row {line}, column {column}: {what}.")


def read_rows(
    table: Path, needed: Collection[str], known: Collection[str]
) -> list[tuple[int, dict[str, str]]]:
    """Line numbers and stripped cells by column name, of a comma-separated table with a header row.

    Raises:
        DatasetError: it cannot be read, lacks a needed column, or has one that is not known, or one twice.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{table} cannot be read ({error}); save it as a UTF-8 .csv.") from error
    header = [name.lower() for name in lines[0][1]] if lines else []
    if not set(needed) <= set(header):
        raise DatasetError(
            f"{table} has the columns {', '.join(header) or 'none'}; "
            f"it needs a header row with {' and '.join(needed)}, separated by commas."
        )
    unknown = [name for name in header if name not in known]
    if unknown or len(set(header)) < len(header):
        raise DatasetError(
            f"{table} has the columns {', '.join(header)}; it may have each of {', '.join(known)} once."
        )
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise DatasetError(f"{table}, row {line} has {len(cells)} cells; it needs {len(header)}.")
    return [(line, dict(zip(header, cells, strict=True))) for line, cells in lines[1:]]


def _file(table: Path, name: str) -> Path | None:
    with suppress(DatasetError, OSError):
        path = name_on_disk(table.parent, name)
        return path if path.is_file() else None
    return None


def _sample(table: Path, line: int, row: dict[str, str]) -> Sample:
    image = _file(table, row["path"])
    if image is None:
        raise fault(table, line, "path", f"{row['path'] or 'nothing'} is not a file; give an image file")
    if not row["label"]:
        raise fault(table, line, "label", "is empty; write good or the kind of defect")
    mask = _file(table, row["mask"]) if row.get("mask") else None
    if row.get("mask") and mask is None:
        raise fault(table, line, "mask", f"{row['mask']} is not a file; give a mask file or leave it empty")
    if is_good(row["label"]) or row["label"] in GOOD_NUMBERS:
        return Sample(image, label=0, part=row.get("part", ""))
    kind = "defect" if row["label"].lower() in DEFECT_LABELS else row["label"]
    return Sample(image, label=1, defect=kind, mask=mask, part=row.get("part", ""))
