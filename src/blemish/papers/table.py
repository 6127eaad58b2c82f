"""A published table as data: what its rows are, what they are measured on, and the numbers printed."""

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from blemish.errors import ConfigError, choice

Metric = Literal["image_auroc", "pixel_auroc", "aupro_30"]
METRIC_NAMES: dict[str, str] = {
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "aupro_30": "AUPRO (30 %)",
}
DataName = Literal["mvtec", "cifar10", "stl10", "lbot"]

# one number per metric; None (nan in the file) where the paper prints a dash
Number = Annotated[
    float | None, Field(strict=True), BeforeValidator(lambda number: None if number != number else number)
]
Numbers = tuple[Number, ...]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Section(_Part):
    """A data set that a table measures on.

    Attributes:
        data: its name: a folder of categories ("mvtec", in MVTec's layout), classes of which one is held out
            ("cifar10", "stl10"), or one folder alone ("lbot").
        categories: folder or class names, in the printed order.
        averages: by printed column name, the categories that it is the mean of.
        images: of each category the published data has so many to learn from, good ones to measure on and
            defective ones; None where categories differ.
        config: what all rows take on this data, by section of `blemish.training.config.RunConfig`; weaker
            than a row's own.
    """

    data: DataName
    categories: tuple[str, ...]
    averages: dict[str, tuple[str, ...]] = {}
    images: tuple[int, int, int] | None = None
    config: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _averages_of_categories(self) -> Self:
        _check_distinct("categories", self.categories)
        for name, members in self.averages.items():
            _check_distinct(f"categories of {name!r}", members)
            if not members or not set(members) <= set(self.categories):
                raise ValueError(f"the average {name!r} must be of categories of {self.data}")
        return self


class Row(_Part):
    """A method or a setting.

    Attributes:
        id: short name for the command line.
        name: as printed.
        config: "method", perhaps "preset", and fields by section, as `blemish.training.config.RunConfig` has
            them; None where the paper quotes numbers of a method that is not among ours.
        published: numbers as printed, by column (a category or an average), in the unit of the table.
        reading: how the row is to be understood, where the paper leaves it open.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    name: str
    config: dict[str, Any] | None = None
    published: dict[str, Numbers]
    reading: str = ""

    @model_validator(mode="after")
    def _has_method(self) -> Self:
        if self.config is not None and "method" not in self.config:
            raise ValueError(f"the config of row {self.id!r} must name a method")
        return self


class Correction(_Part):
    """A number that is printed wrongly.

    Attributes:
        row, column: the row's id and the column.
        value: what it should be, one number per metric.
        why: a sentence.
    """

    row: str
    column: str
    value: Numbers
    why: str


class Table(_Part):
    """A table of a paper.

    Attributes:
        name: such as "gtrans-1".
        title: what it shows, in our words.
        source: paper and number of the table.
        metrics: of each cell, in the printed order.
        unit: of the printed numbers; measured ones are fractions.
        protocol: sentences on how the paper measures and how we do.
        sections: the data.
        columns: in the printed order: categories and averages.
        labels: printed names of columns that have another one there.
        across: whether the page has one row per column and one column per row, as the paper prints it.
        rows: methods or settings.
        corrections: what is printed wrongly.
    """

    name: str
    title: str
    source: str
    metrics: tuple[Metric, ...]
    unit: Literal["percent", "fraction"]
    protocol: tuple[str, ...] = ()
    sections: tuple[Section, ...]
    columns: tuple[str, ...]
    labels: dict[str, str] = {}
    across: bool = False
    rows: tuple[Row, ...]
    corrections: tuple[Correction, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        _check_distinct("metrics", self.metrics)
        _check_distinct("sections", (section.data for section in self.sections))
        _check_distinct("columns", self.columns)
        _check_distinct("rows", (row.id for row in self.rows))
        _check_distinct("corrections", ((one.row, one.column) for one in self.corrections))
        for column in self.columns:
            if sum(column in (*section.categories, *section.averages) for section in self.sections) != 1:
                raise ValueError(f"column {column!r} must be a category or an average of one section")
        for label in self.labels.keys() - set(self.columns):
            raise ValueError(f"label {label!r} is of no column")
        printed = {
            (row.id, column): numbers for row in self.rows for column, numbers in row.published.items()
        }
        for row in self.rows:
            if row.published.keys() - set(self.columns):
                raise ValueError(f"row {row.id!r} has numbers outside the columns")
        for one in self.corrections:
            if (one.row, one.column) not in printed:
                raise ValueError(f"the correction of {one.row!r}, {one.column!r} is of no cell")
            if one.value == printed[one.row, one.column]:
                raise ValueError(f"the correction of {one.row!r}, {one.column!r} changes nothing")
        for numbers in (*printed.values(), *(one.value for one in self.corrections)):
            if len(numbers) != len(self.metrics):
                raise ValueError(f"{numbers} must be one number for each of {', '.join(self.metrics)}")
            if not all(number is None or 0 <= number <= self._scale for number in numbers):
                raise ValueError(f"{numbers} must lie between 0 and {self._scale}")
        return self

    @property
    def measured(self) -> list[Row]:
        """The rows of methods that are among ours; the others are quoted only."""
        return [row for row in self.rows if row.config is not None]

    @property
    def _scale(self) -> int:
        return 100 if self.unit == "percent" else 1

    def published(self, row: Row, column: str) -> Numbers | None:
        """The row's numbers as fractions, corrected where they are printed wrongly; None in other columns."""
        numbers = row.published.get(column)
        for correction in self.corrections:
            if (correction.row, correction.column) == (row.id, column):
                numbers = correction.value
        if numbers is None:
            return None
        return tuple(None if number is None else number / self._scale for number in numbers)


@cache
def load_tables() -> dict[str, Table]:
    """All tables by name, in the order of the papers."""
    files = resources.files("blemish.papers").joinpath("tables").iterdir()
    texts = {file.name.removesuffix(".toml"): file for file in files if file.name.endswith(".toml")}
    order = sorted(texts, key=lambda name: (not name.startswith("gtrans"), name))
    return {
        name: Table(name=name, **tomllib.loads(texts[name].read_text(encoding="utf-8"))) for name in order
    }


def find_table(name: str) -> Table:
    """A table by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    tables = load_tables()
    if name not in tables:
        raise ConfigError(f"There is no table {name!r}; {choice(name, tables)}")
    return tables[name]


def _check_distinct(what: str, names: Iterable[Any]) -> None:
    listed = list(names)
    if len(set(listed)) < len(listed):
        raise ValueError(f"the {what} must be distinct: {listed}")
