"""Golden sets: parts that people have judged, each seen once or several times."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from blemish.datasets.checks import check_disjoint
from blemish.datasets.folder import is_folder, read_folder, read_kinds
from blemish.datasets.sample import Dataset, Sample
from blemish.datasets.table import read_table
from blemish.errors import DatasetError
from blemish.images.finding import FilePath


@dataclass(frozen=True)
class GoldenSet:
    """Known parts.

    Attributes:
        name: of the folder or table.
        root: the folder that names of pictures are relative to.
        table: the table that it was read from, or None.
        samples: its pictures; each names its part, which is the picture itself where nobody said.
    """

    name: str
    root: Path
    table: Path | None
    samples: list[Sample]

    def relative(self, path: FilePath) -> str:
        """The name of a picture, relative to `root`, with slashes."""
        return Path(os.path.relpath(path, self.root)).as_posix()


def read_golden(source: FilePath) -> GoldenSet:
    """Read known parts from a folder or a .csv table.

    A folder holds `good` and a folder for each kind of defect, by themselves or inside `test`; in these a
    sub-folder holds the pictures of one part. In a table (`blemish.datasets.table`) the column part names it;
    where it has no column split, all rows count.

    Raises:
        DatasetError: the source cannot be read, there are no good or no defective parts, or a part or picture
            is in two kinds.
    """
    path = Path(source)
    if is_folder(path / "train") or is_folder(path / "test"):
        dataset, root = read_folder(path), path / "test"
    elif is_folder(path):
        dataset, root = read_kinds(path), path
    elif path.suffix.lower() == ".csv":
        dataset, root = read_table(path, good_split="test"), path.parent
    else:
        raise DatasetError(f"{path} is neither a folder nor a .csv table; give the golden set.")
    golden = GoldenSet(dataset.name, root, None if is_folder(path) else path, [])
    golden.samples.extend(
        replace(sample, part=sample.part or golden.relative(sample.path)) for sample in dataset.test
    )
    _check(dataset, golden, path)
    return golden


def _check(dataset: Dataset, golden: GoldenSet, source: Path) -> None:
    good = [sample for sample in dataset.test if not sample.label]
    defective = [sample for sample in dataset.test if sample.label]
    for samples, kind in ((good, "good"), (defective, "defective")):
        if not samples:
            raise DatasetError(f"{source} holds no {kind} part; acceptance needs good and defective ones.")
    check_disjoint((good, "the good parts"), (defective, "the defective parts"))
    kinds: dict[str, str] = {}
    for sample in golden.samples:
        kind = kinds.setdefault(sample.part, sample.defect)
        if kind != sample.defect:
            raise DatasetError(
                f"Part {sample.part} has two reference labels, {kind} and {sample.defect}; "
                "keep one, or give one of the parts another name."
            )
