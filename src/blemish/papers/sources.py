"""The images that the sections of a table are measured on."""

from collections.abc import Sequence
from pathlib import Path

from blemish.datasets import PUBLISHED, Dataset, read_dataset
from blemish.errors import ConfigError, DatasetError
from blemish.papers.table import Section, Table

WHAT = {
    "mvtec": "the folder with MVTec AD's categories",
    "lbot": "a folder with train/good and test",
}


def parse_sources(tables: Sequence[Table], given: Sequence[str]) -> dict[str, Path | None]:
    """Where each data set lies.

    Args:
        tables: whose sections name data sets.
        given: folders, each as "NAME=FOLDER", or FOLDER alone where there is one data set.

    Returns:
        By name; None stands for the place where published sets are downloaded to.

    Raises:
        ConfigError: a name that no table has or that comes twice, no such folder, or a data set that was not
            said and cannot be had.
    """
    names = list(dict.fromkeys(section.data for table in tables for section in table.sections))
    found: dict[str, Path | None] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not equals or Path(text).exists():
            if len(names) > 1:
                raise ConfigError(
                    f"These tables need {' and '.join(names)}: say which one {text} is, "
                    f"as in --data {names[0]}={text}."
                )
            name, folder = names[0], text
        if name not in names:
            raise ConfigError(f"--data {text}: there is no {name} in these tables, but {', '.join(names)}.")
        if name in found:
            raise ConfigError(f"--data says twice where {name} lies; give one folder.")
        if not Path(folder).is_dir():
            raise ConfigError(f"--data {text}: there is no folder {folder}; check the path.")
        found[name] = Path(folder)
    for name in names:
        if name not in found and name not in PUBLISHED:
            raise ConfigError(f"{', '.join(_with(tables, name))} needs --data {name}=FOLDER, {WHAT[name]}.")
    return {name: found.get(name) for name in names}


def read_category(section: Section, category: str, source: Path | None) -> Dataset:
    """The images of one category: good ones to learn from, labelled ones to measure on.

    Args:
        section: says what kind of data it is.
        category: a category, or the class that is held out.
        source: as `parse_sources` gives it.

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
            dataset = read_dataset(section.data, held_out=category, data_root=source)
    else:
        assert source is not None
        dataset = read_dataset(source if section.data == "lbot" else _folder(source, category))
    labels = {sample.label for sample in dataset.test}
    if not dataset.train or not {0, 1} <= labels:
        raise DatasetError(
            f"{dataset.name} needs good images to learn from, and good and defective ones to measure on."
        )
    return dataset


def _with(tables: Sequence[Table], data: str) -> list[str]:
    return [table.name for table in tables if any(section.data == data for section in table.sections)]


def _folder(source: Path, category: str) -> Path:
    folder = source / category
    if not folder.is_dir():
        raise DatasetError(f"{source} has no such folder.")
    return folder
