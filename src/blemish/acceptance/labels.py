"""What people said of the parts of a golden set."""

from pathlib import Path

from blemish.datasets.golden import GoldenSet
from blemish.datasets.sample import is_good
from blemish.datasets.table import DEFECT_LABELS, GOOD_NUMBERS, fault, read_rows
from blemish.errors import DatasetError
from blemish.images.finding import FilePath, name_on_disk

INSPECTION = "the inspection"  # among those who judge

Decisions = dict[str, dict[str, list[bool]]]  # by person and part, whether each trial called it defective


def read_labels(table: FilePath, golden: GoldenSet) -> Decisions:
    """Read a comma-separated table with the columns person, label and either path or part.

    A path is relative to the golden set, and stands for the part that the picture shows. A label is good or
    defective, or another word for one of them that a table of images may have. Several rows of a person on a
    part are trials.

    Raises:
        DatasetError: with the row and column at fault.
    """
    path = Path(table)
    parts = {sample.part for sample in golden.samples}
    part_of = {golden.relative(sample.path): sample.part for sample in golden.samples}
    decisions: Decisions = {}
    for line, row in read_rows(path, ("person", "label"), ("path", "part", "person", "label")):
        if ("path" in row) == ("part" in row):
            raise DatasetError(f"{path} needs a column path or a column part, and not both.")
        if "part" in row:
            column, part = "part", row["part"] if row["part"] in parts else None
        else:
            column, part = "path", part_of.get(golden.relative(name_on_disk(golden.root, row["path"])))
        if part is None:
            raise fault(path, line, column, f"{row[column] or 'nothing'} is not in {golden.name}; correct it")
        if row["person"] in ("", INSPECTION):
            raise fault(path, line, "person", f"is {row['person'] or 'empty'}; write who judged the part")
        trials = decisions.setdefault(row["person"], {}).setdefault(part, [])
        trials.append(_defective(path, line, row["label"]))
    if not decisions:
        raise DatasetError(f"{path} holds no labels; give a row for each decision.")
    return decisions


def _defective(table: Path, line: int, label: str) -> bool:
    if is_good(label) or label in GOOD_NUMBERS:
        return False
    if label.lower() in DEFECT_LABELS | {"defective"}:
        return True
    raise fault(table, line, "label", f"is {label or 'nothing'}; write good or defective")
