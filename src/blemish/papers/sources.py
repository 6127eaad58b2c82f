"""Where data sets and ImageNet weights lie, and the images that a table is measured on."""

from collections.abc import Sequence
from pathlib import Path

from blemish.datasets import PUBLISHED, Dataset, read_dataset
from blemish.errors import ConfigError, DatasetError
from blemish.models.weights import RANDOM
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
    found = _by_name("--data", given, names)
    for folder in found.values():
        if not Path(folder).is_dir():
            raise ConfigError(f"--data: there is no folder {folder}; check the path.")
    for name in names:
        if name not in found and name not in PUBLISHED:
            needing = [table.name for table in tables if any(one.data == name for one in table.sections)]
            raise ConfigError(f"{', '.join(needing)} needs --data {name}=FOLDER, {WHAT[name]}.")
    return {name: Path(found[name]) if name in found else None for name in names}


def parse_weights(given: Sequence[str], backbones: Sequence[str]) -> dict[str, str]:
    """Files, or "random", by backbone.

    Args:
        given: each "BACKBONE=FILE"; FILE alone where there is one backbone, or "random" for all.
        backbones: of the rows.

    Raises:
        ConfigError: a backbone that no row has, one that comes twice, or a file that could be any one's.
    """
    if list(given) == [RANDOM] and backbones:
        return dict.fromkeys(backbones, RANDOM)
    return _by_name("--weights", given, backbones)


def _by_name(option: str, given: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Values of "NAME=VALUE" texts; VALUE alone where there is one name."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or Path(text).exists():
            if len(names) > 1:
                which = f"say which of {', '.join(names)} it is for, as in {option} {names[0]}={text}."
                raise ConfigError(f"{option} {text}: {which}")
            name, value = names[0] if names else text, text
        if name not in names:
            raise ConfigError(f"{option} {text}: there is no {name} here, but {', '.join(names) or 'none'}.")
        if name in found:
            raise ConfigError(f"{option} is given twice for {name}; give it once.")
        found[name] = value
    return found


def read_category(section: Section, category: str, source: Path | None) -> Dataset:
    """The images of one category: good ones to learn from, labelled ones to measure on.

    Args:
        section: says what kind of data it is.
        category: a category, or the class that is held out.
        source: as `parse_sources` gives it.

    Raises:
        DatasetError: it is not there, or cannot be learned from and measured on.
    """
    if section.data not in PUBLISHED:
        assert source is not None
        folder = source if section.data == "lbot" else source / category
        if not folder.is_dir():
            raise DatasetError(f"{source} has no such folder.")
        dataset = read_dataset(folder)
    elif source is not None and any((source / part / category).is_dir() for part in ("", "train", "test")):
        dataset = read_dataset(source, held_out=category)
    else:
        dataset = read_dataset(section.data, held_out=category, data_root=source)
    labels = {sample.label for sample in dataset.test}
    if not dataset.train or not {0, 1} <= labels:
        raise DatasetError(
            f"{dataset.name} needs good images to learn from, and good and defective ones to measure on."
        )
    return dataset
