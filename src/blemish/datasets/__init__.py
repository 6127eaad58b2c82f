"""Where samples come from: folders, tables, published sets, the demo's photographs, a generator."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path

from blemish.datasets.checks import check_trainable
from blemish.datasets.folder import read_folder, read_good_bad
from blemish.datasets.loading import load_frames
from blemish.datasets.one_class import leave_one_class_out, read_classes, read_one_class
from blemish.datasets.published import CLASSES, PUBLISHED, default_root, unpack
from blemish.datasets.sample import GOOD, Dataset, Sample
from blemish.datasets.table import read_table
from blemish.errors import DatasetError
from blemish.images import path_errors

__all__ = [
    "GOOD",
    "PUBLISHED",
    "Dataset",
    "Sample",
    "check_trainable",
    "leave_one_class_out",
    "load_frames",
    "read_dataset",
    "read_folder",
    "read_good_bad",
    "read_one_class",
    "read_table",
]


def read_dataset(
    source: str | PathLike[str],
    *,
    held_out: str | None = None,
    data_root: str | PathLike[str] | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> Dataset:
    """Read a data set from a folder, a .csv table or, where there is neither, a published set's name.

    Args:
        source: a folder (see `read_folder`; with `held_out` see `read_one_class`), a .csv table (see
            `read_table`), or one of `PUBLISHED`.
        held_out: the class to hold out as the abnormal one.
        data_root: the folder with, or for, the published sets; None is `~/.cache/blemish`.
        say: called with each sentence that the user should read.

    Raises:
        DatasetError: there is nothing at `source`, its samples cannot be used, or `held_out` or `data_root`
            does not go with it.
    """
    path = Path(source)
    with path_errors(path, DatasetError):
        is_folder, exists = path.is_dir(), path.exists()
    if not exists and str(source) in PUBLISHED:
        return _published(str(source), held_out, data_root, say)
    if not exists:
        raise DatasetError(
            f"{path} does not exist; give a folder of images or a .csv table, or {' or '.join(PUBLISHED)}."
        )
    if data_root is not None:
        raise DatasetError(
            f"--data is for {' and '.join(PUBLISHED)}, but {path} is a file or folder; leave --data out."
        )
    if is_folder:
        return read_folder(path) if held_out is None else read_one_class(path, held_out)
    if path.suffix.lower() != ".csv":
        raise DatasetError(f"{path} is neither a folder nor a .csv table; give one of them.")
    if held_out is not None:
        raise DatasetError(
            f"--held-out needs class folders, but {path} is a table; leave it out, or say in the columns "
            "label and split what is abnormal."
        )
    return read_table(path)


def _published(
    name: str,
    held_out: str | None,
    data_root: str | PathLike[str] | None,
    say: Callable[[str], None],
) -> Dataset:
    """A published set as it is, duplicates and all, without the checks of `read_one_class`."""
    if held_out not in CLASSES[name]:
        asked = "Say" if held_out is None else f"{name} has no class {held_out!r}; say"
        raise DatasetError(
            f"{asked} which class to hold out: --held-out with one of {', '.join(CLASSES[name])}."
        )
    root = default_root() if data_root is None else Path(data_root)
    return leave_one_class_out(name, *read_classes(unpack(name, root, say)), held_out)
