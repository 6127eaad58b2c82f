"""From whatever a user names to a data set."""

from pathlib import Path

from blemish.datasets.folder import read_folder, read_good_bad
from blemish.datasets.one_class import leave_one_class_out, read_classes, read_one_class
from blemish.datasets.published import CLASSES, PUBLISHED, unpack
from blemish.datasets.sample import Dataset
from blemish.datasets.table import read_table
from blemish.errors import DatasetError, explained
from blemish.images.finding import FilePath, path_errors

Source = FilePath | Dataset


def read_dataset(
    source: Source, *, held_out: str | None = None, data_root: FilePath | None = None
) -> Dataset:
    """Read a data set from a folder, a .csv table or, where there is neither, a published set's name.

    Args:
        source: a folder (see `read_folder`; with `held_out` see `read_one_class`), a .csv table (see
            `read_table`), one of `PUBLISHED`, or a `Dataset`, which is given back.
        held_out: the class to hold out as the abnormal one.
        data_root: the folder with, or for, the published sets; None is `~/.cache/blemish`.

    Raises:
        DatasetError: there is nothing at `source`, its samples cannot be used, or `held_out` or `data_root`
            does not go with it.
    """
    if isinstance(source, Dataset):
        if held_out is not None or data_root is not None:
            raise DatasetError(
                f"held_out and data_root do not go with the Dataset {source.name}; leave them out."
            )
        return source
    path = Path(source)
    with path_errors(path, DatasetError):
        is_folder, exists = path.is_dir(), path.exists()
    if not exists and str(source) in PUBLISHED:
        return _published(str(source), held_out, data_root)
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


def read_test_data(
    source: Source | None,
    good: FilePath | None,
    bad: FilePath | None,
    *,
    held_out: str | None = None,
    data_root: FilePath | None = None,
) -> Dataset:
    """A data set to measure on: one that `read_dataset` reads, or a folder of good and one of bad images.

    Raises:
        DatasetError: neither or both are given, or there are no test images.
    """
    if source is not None and good is None and bad is None:
        dataset = read_dataset(source, held_out=held_out, data_root=data_root)
    elif source is None and good is not None and bad is not None:
        if held_out is not None or data_root is not None:
            raise DatasetError(
                "--held-out and --data go with DATA, not with --good and --bad; leave them out."
            )
        dataset = read_good_bad(good, bad)
    else:
        raise DatasetError("Give either DATA or both --good and --bad.")
    if not dataset.test:
        raise DatasetError(
            f"{dataset.name} holds no test images; add test/good and test/<defect> folders, or name folders "
            "with --good and --bad."
        )
    return dataset


def _published(name: str, held_out: str | None, data_root: FilePath | None) -> Dataset:
    """A published set as it is, duplicates and all, without the checks of `read_one_class`."""
    if held_out not in CLASSES[name]:
        asked = "Say" if held_out is None else f"{name} has no class {held_out!r}; say"
        raise DatasetError(
            f"{asked} which class to hold out: --held-out with one of {', '.join(CLASSES[name])}."
        )
    if data_root is None:
        homeless = f"There is no home folder to keep {name} in; name a folder with --data DIR."
        with explained(DatasetError, lambda _: homeless, RuntimeError):
            data_root = Path.home() / ".cache" / "blemish"
    return leave_one_class_out(name, *read_classes(unpack(name, Path(data_root))), held_out)
