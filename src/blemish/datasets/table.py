"""Data sets that are a table of image files."""

import csv
from contextlib import suppress
from pathlib import Path

from blemish.datasets.checks import check_dataset
from blemish.datasets.sample import Dataset, Sample, is_good
from blemish.errors import DatasetError
from blemish.images.finding import FilePath, name_on_disk

GOOD_NUMBERS = frozenset({"0", "0.0"})
DEFECT_LABELS = frozenset({"1", "1.0", "bad", "defect"})
COLUMNS = ("path", "label", "mask", "split")


def read_table(table: FilePath) -> Dataset:
    """Read a comma-separated table with a header row and the columns path, label, mask and split.

    Paths are relative to the table. A label is 0 or one of `GOOD_NAMES` for a good image; 1, bad and
    defect stand for the kind "defect", anything else is itself the kind of defect. `mask` may be absent or
    empty, and is not used for a good image.
    `split` is train or test; without that column good images are for training and defective ones for testing.

    Raises:
        DatasetError: with the table, row and column at fault.
    """
    path = Path(table)
    dataset = Dataset(path.stem)
    rows_by_image: dict[Path, int] = {}
    for line, row in _rows(path):
        sample = _sample(path, line, row)
        image = sample.path.resolve()
        if image in rows_by_image:
            raise _fault(path, line, "path", f"repeats the image of row {rows_by_image[image]}; keep one row")
        rows_by_image[image] = line
        split = row.get("split", "train" if sample.label == 0 else "test").lower()
        if split not in ("train", "test"):
            raise _fault(path, line, "split", f"is {split!r}; write train or test")
        if split == "train" and sample.label == 1:
            raise _fault(path, line, "split", "puts a defective image into training; write test")
        (dataset.train if split == "train" else dataset.test).append(sample)
    check_dataset(dataset, str(path))
    return dataset


def _fault(table: Path, line: int, column: str, what: str) -> DatasetError:
    return DatasetError(f"{table}, row {line}, column {column}: {what}.")


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Line numbers and stripped cells by column name."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if cells]
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{table} cannot be read ({error}); save it as a UTF-8 .csv.") from error
    header = [name.lower() for name in lines[0][1]] if lines else []
    if "path" not in header or "label" not in header:
        raise DatasetError(
            f"{table} has the columns {', '.join(header) or 'none'}; "
            "it needs a header row with path and label, separated by commas."
        )
    unknown = [name for name in header if name not in COLUMNS]
    if unknown or len(set(header)) < len(header):
        raise DatasetError(
            f"{table} has the columns {', '.join(header)}; it may have each of {', '.join(COLUMNS)} once."
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
        raise _fault(table, line, "path", f"{row['path'] or 'nothing'} is not a file; give an image file")
    if not row["label"]:
        raise _fault(table, line, "label", "is empty; write good or the kind of defect")
    mask = _file(table, row["mask"]) if row.get("mask") else None
    if row.get("mask") and mask is None:
        raise _fault(table, line, "mask", f"{row['mask']} is not a file; give a mask file or leave it empty")
    if is_good(row["label"]) or row["label"] in GOOD_NUMBERS:
        return Sample(image, label=0)
    kind = "defect" if row["label"].lower() in DEFECT_LABELS else row["label"]
    return Sample(image, label=1, defect=kind, mask=mask)
