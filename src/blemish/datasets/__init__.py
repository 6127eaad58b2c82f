"""Where samples come from: folders, tables, the demo's photographs, a generator."""

from os import PathLike
from pathlib import Path

from blemish.datasets.checks import check_trainable
from blemish.datasets.folder import read_folder, read_good_bad
from blemish.datasets.loading import load_frames
from blemish.datasets.sample import GOOD, Dataset, Sample
from blemish.datasets.table import read_table
from blemish.errors import DatasetError
from blemish.images import path_errors

__all__ = [
    "GOOD",
    "Dataset",
    "Sample",
    "check_trainable",
    "load_frames",
    "read_dataset",
    "read_folder",
    "read_good_bad",
    "read_table",
]


def read_dataset(source: str | PathLike[str]) -> Dataset:
    """Read a data set from a folder (see `read_folder`) or a .csv table (see `read_table`).

    Raises:
        DatasetError: there is nothing at `source`, or its samples cannot be used.
    """
    path = Path(source)
    with path_errors(path, DatasetError):
        is_folder, exists = path.is_dir(), path.exists()
    if is_folder:
        return read_folder(path)
    if not exists:
        raise DatasetError(f"{path} does not exist; give a folder of images or a .csv table.")
    if path.suffix.lower() == ".csv":
        return read_table(path)
    raise DatasetError(f"{path} is neither a folder nor a .csv table; give one of them.")
