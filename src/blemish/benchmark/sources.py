"""The images that the sections of a table are measured on."""

from collections.abc import Callable, Sequence
from pathlib import Path

from blemish.benchmark.table import Section, Table
from blemish.datasets import PUBLISHED, Dataset, read_dataset
from blemish.errors import ConfigError, DatasetError

WHAT = {
    "mvtec": "the folder with MVTec AD's categories",
    "lbot": "a folder with train/good and test",
}


def parse_sources(table: Table, given: Sequence[str]) -> dict[str, Path | None]:
    """Where each of a table's data sets lies.

    Args:
        table: whose sections name data sets.
        given: folders, each as "NAME=FOLDER", or FOLDER alone where the table has one data set.

    Returns:
        By name; None stands for the place where published sets are downloaded to.

    Raises:
        ConfigError: a name that the table does not have, or a data set that was not said and cannot be had.
    """
    names = [section.data for section in table.sections]
    found: dict[str, Path | None] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if equals and name in names:
            found[name] = Path(folder)
        elif equals and not Path(text).exists() and name in (*PUBLISHED, *WHAT):
            continue  # of another table of the same call
        elif len(names) == 1:
            found[names[0]] = Path(text)
        else:
            raise ConfigError(
                f"{table.name} needs {' and '.join(names)}: say which one {text} is, "
                f"as in --data {names[0]}={text}."
            )
    for name in names:
        if name not in found and name not in PUBLISHED:
            raise ConfigError(f"{table.name} needs --data {name}=FOLDER, {WHAT[name]}.")
    return {name: found.get(name) for name in names}


def read_category(
    section: Section, category: str, source: Path | None, say: Callable[[str], None] = lambda message: None
) -> Dataset:
    """The images of one category: good ones to learn from, labelled ones to measure on.

    Args:
        section: says what kind of data it is.
        category: a category, or the class that is held out.
        source: as `parse_sources` gives it.
        say: called with each sentence that the user should read.

    Raises:
        DatasetError: it is not there, or cannot be learned from and measured on.
    """
    if section.data in PUBLISHED:
        is_folder = source is not None and any(
            (source / part / category).is_dir() for part in ("", "train", "test")
        )
        if is_folder and source is not None:
            dataset = read_dataset(source, held_out=category)
        else:
            dataset = read_dataset(section.data, held_out=category, data_root=source, say=say)
    else:
        assert source is not None
        dataset = read_dataset(source if section.data == "lbot" else _folder(source, category))
    labels = {sample.label for sample in dataset.test}
    if not dataset.train or not {0, 1} <= labels:
        raise DatasetError(
            f"{dataset.name} needs good images to learn from, and good and defective ones to measure on."
        )
    return dataset


def _folder(source: Path, category: str) -> Path:
    folder = source / category
    if not folder.is_dir():
        raise DatasetError(f"{source} has no such folder.")
    return folder
