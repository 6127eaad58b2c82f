"""A table as it comes out: published and measured numbers side by side, as plain values."""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from blemish.papers.output.aggregate import Place, Statistic
from blemish.papers.output.gaps import Gap
from blemish.papers.output.pairs import Pair
from blemish.papers.output.trainings import Cost, Training


@dataclass(frozen=True)
class Column:
    """A category or an average over several.

    Attributes:
        id: unique in the table.
        label: as printed.
        places: (data, category) that it is the mean of.
        average: whether the paper prints it as an average, or else a category.
        printed: whether the paper has it; else it was measured on the way to an average.
    """

    id: str
    label: str
    places: tuple[Place, ...]
    average: bool
    printed: bool


@dataclass(frozen=True)
class Line:
    """A method or a setting.

    Attributes:
        id, name, reading: as in `blemish.papers.table.Row`.
        state: "measured", "not yet" (nothing of it is) or "quoted" (no method of ours).
    """

    id: str
    name: str
    reading: str
    state: str


@dataclass(frozen=True)
class Cell:
    """One metric of one row in one column.

    Attributes:
        row, column: ids.
        metric: name.
        published: fraction, corrected where it is printed wrongly; None where there is none.
        printed: as the paper has it, in its unit.
        corrected: whether `published` is not what is printed.
        measured: None where nothing is.
        difference: measured minus published; None where either is missing or not all categories are measured.
        agrees: whether the published number, give or take its rounding, lies inside the interval of the
            measured one; None without a difference or an interval.
    """

    row: str
    column: str
    metric: str
    published: float | None
    printed: float | None
    corrected: bool
    measured: Statistic | None
    difference: float | None
    agrees: bool | None


@dataclass(frozen=True)
class Result:
    """A row on one category with one seed, as in `Measured`."""

    row: str
    data: str
    category: str
    seed: int
    metrics: dict[str, float | None]
    fit_seconds: float
    score_seconds: float
    fingerprint: str


@dataclass(frozen=True)
class Correction:
    """A number that is printed wrongly: names of row and column, and why it is not used."""

    row: str
    column: str
    why: str


@dataclass(frozen=True)
class Summary:
    """All that the outputs show.

    Attributes:
        name, title, source, unit, metrics, protocol: as in `blemish.papers.table.Table`.
        changes: how the run differs from the paper, in sentences.
        columns_down: whether columns are better written one below the other.
        columns, rows: in the printed order; columns that the paper does not print come last.
        cells: of each row, column and metric.
        pairs: tested differences between rows.
        results: what the cells are made of.
        trainings, costs: what it took; a training that rows share is one.
        gaps: results that are missing.
        corrections: numbers that are printed wrongly.
        machines, versions, teachers: what it was measured with, each that occurs.
    """

    name: str
    title: str
    source: str
    unit: str
    metrics: tuple[str, ...]
    protocol: tuple[str, ...]
    changes: tuple[str, ...]
    columns_down: bool
    columns: tuple[Column, ...]
    rows: tuple[Line, ...]
    cells: tuple[Cell, ...]
    pairs: tuple[Pair, ...]
    results: tuple[Result, ...]
    trainings: tuple[Training, ...]
    costs: tuple[Cost, ...]
    gaps: tuple[Gap, ...]
    corrections: tuple[Correction, ...]
    machines: tuple[str, ...]
    versions: tuple[str, ...]
    teachers: tuple[str, ...]

    @cached_property
    def _by_place(self) -> dict[tuple[str, str, str], Cell]:
        return {(cell.row, cell.column, cell.metric): cell for cell in self.cells}

    def cell(self, row: str, column: str, metric: str) -> Cell:
        """One of `cells`."""
        return self._by_place[row, column, metric]

    @property
    def names(self) -> dict[str, str]:
        """Names of the rows by id."""
        return {row.id: row.name for row in self.rows}

    @property
    def missing(self) -> int:
        """How many results are missing."""
        return sum(gap.count for gap in self.gaps)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return asdict(self)
