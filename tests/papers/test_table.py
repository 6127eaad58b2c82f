"""The papers' tables: complete, as printed, consistent, and of configurations that can be built."""

import math
import tomllib
from importlib import resources
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from blemish.papers.configs import config_of
from blemish.papers.table import Row, Table, find_table, load_tables
from blemish.training.config import build_config

TABLES = load_tables()

# rows, measured rows, columns, numbers that are no dashes, corrections
COUNTS = {
    "gtrans-1": (10, 5, 18, 10 * 18 - 17 - 15, 0),
    "gtrans-2": (9, 3, 18, (6 * 2 + 3) * 18, 2),
    "gtrans-3": (4, 4, 3, 24, 0),
    "gtrans-4": (2, 2, 3, 12, 1),
    "gtrans-5": (6, 6, 3, 36, 0),
    "gtrans-6": (4, 4, 3, 24, 0),
    "gtrans-7": (6, 6, 3, 36, 0),
    "anotrans-1": (2, 2, 2, 4, 0),
    "anotrans-2": (4, 4, 1, 4, 0),
    "anotrans-3": (5, 5, 9, 45, 0),
    "anotrans-4": (4, 4, 10, 40, 2),
    "anotrans-5": (4, 4, 13, 52, 1),
}

# typed from the papers: table, row, column, printed
PRINTED = [
    ("gtrans-1", "anogan", "screw", (35,)),
    ("gtrans-1", "spade", "carpet", (None,)),
    ("gtrans-1", "gtrans-wr50", "capsule", (95.1,)),
    ("gtrans-2", "gtrans-wr50", "transistor", (94.1, 79.9)),
    ("gtrans-2", "student", "metal_nut", (None, 89.5)),
    ("gtrans-3", "layers-234", "avg.objects", (97.1, 94.2)),
    ("gtrans-4", "with-tfm", "avg.all categories", (97.9, 99.0)),
    ("gtrans-5", "encoder-3", "avg.objects", (98.2, 97.6)),
    ("gtrans-6", "alpha-fixed", "avg.textures", (98.7, 98.0)),
    ("gtrans-7", "p5", "avg.all categories", (98.8, 97.9)),
    ("anotrans-1", "window", "CIFAR10", (0.978,)),
    ("anotrans-2", "skip-ganomaly", "lbot", (0.840,)),
    ("anotrans-3", "ganomaly", "horse", (0.387,)),
    ("anotrans-4", "skip-ganomaly", "monkey", (0.590,)),
    ("anotrans-5", "sagan", "toothbrush", (0.824,)),
]

CORRECTED = [
    ("gtrans-2", "spade", "avg.all categories", (0.960, 0.917)),
    ("gtrans-2", "intra", "avg.all categories", (0.970, 0.924)),
    ("gtrans-4", "with-tfm", "avg.all categories", (0.990, 0.979)),
    ("anotrans-4", "cbam", "Average", (0.946,)),
    ("anotrans-4", "sac", "Average", (0.982,)),
    ("anotrans-5", "sagan", "Average", (0.895,)),
]

# Printed groups and totals that contradict each other, by row and metric; the readings of the rows say so.
UNDECIDED = {("layers-1234", 1), ("layers-123", 0), ("layers-234", 0), ("layers-234", 1), ("layers-23", 0)}


def row_of(table: Table, name: str) -> Row:
    return next(row for row in table.rows if row.id == name)


def published(table: Table, row: Row, column: str, metric: int) -> float:
    numbers = table.published(row, column)
    value = numbers[metric] if numbers else None
    return math.nan if value is None else value


@pytest.mark.parametrize("name", COUNTS)
def test_every_cell_is_there_and_every_measured_row_can_be_configured(name: str) -> None:
    table = TABLES[name]
    cells = [row.published[column] for row in table.rows for column in table.columns]
    numbers = [number for cell in cells for number in cell if number is not None]
    found = len(table.rows), len(table.measured), len(table.columns), len(numbers), len(table.corrections)
    assert found == COUNTS[name]
    for section, row in product(table.sections, table.measured):
        config = config_of(section, row)
        assert row.config and config.method == row.config["method"]
        for part, fields in section.config.items():
            assert getattr(config, part).model_dump().items() >= fields.items()


def test_the_tables_come_in_the_order_of_the_papers() -> None:
    assert list(TABLES) == list(COUNTS)
    assert find_table("gtrans-3") is TABLES["gtrans-3"]


@pytest.mark.parametrize(("name", "row", "column", "numbers"), PRINTED)
def test_numbers_are_as_printed(name: str, row: str, column: str, numbers: tuple[float | None, ...]) -> None:
    assert row_of(TABLES[name], row).published[column] == numbers


def test_corrections_replace_what_is_printed() -> None:
    found = [(name, one.row, one.column) for name, table in TABLES.items() for one in table.corrections]
    assert found == [(name, row, column) for name, row, column, _ in CORRECTED]
    for name, row, column, numbers in (*CORRECTED, ("anotrans-5", "sac", "Average", (0.981,))):
        table = TABLES[name]
        assert table.published(row_of(table, row), column) == pytest.approx(numbers)


@pytest.mark.parametrize("name", COUNTS)
def test_averages_are_the_means_of_their_categories(name: str) -> None:
    """As far as rounding can tell: both are off by half a digit at most; some are quoted in whole percent."""
    table = TABLES[name]
    averages = [pair for section in table.sections for pair in section.averages.items()]
    for row, (average, members) in product(table.rows, averages):
        for metric in range(len(table.metrics) if set(members) <= set(table.columns) else 0):
            values = [published(table, row, member, metric) for member in members]
            printed = published(table, row, average, metric)
            if not math.isnan(sum(values) + printed):
                numbers = [row.published[one][metric] or 0.0 for one in members]
                whole = table.unit == "percent" and all(number.is_integer() for number in numbers)
                slack = 0.0005 + (0.005 if whole else 0.0005)
                assert abs(printed - sum(values) / len(values)) < slack, (row.id, average, metric)


@pytest.mark.parametrize("name", ["gtrans-3", "gtrans-4", "gtrans-5", "gtrans-6", "gtrans-7"])
def test_averages_over_all_are_those_of_textures_and_objects(name: str) -> None:
    table = TABLES[name]
    columns = [f"avg.{which}" for which in ("textures", "objects", "all categories")]
    for row, metric in product(table.rows, range(len(table.metrics))):
        textures, objects, everything = (published(table, row, column, metric) for column in columns)
        error = abs((5 * textures + 10 * objects) / 15 - everything)
        assert (error > 0.001 - 1e-9) == ((row.id, metric) in UNDECIDED), (row.id, metric)


def test_gtrans_is_measured_as_in_the_paper() -> None:
    table = TABLES["gtrans-1"]
    for row, backbone in (("gtrans-r34", "resnet34"), ("gtrans-wr50", "wide_resnet50_2")):
        config = config_of(table.sections[0], row_of(table, row))
        values = {"method": "gtrans", "preset": "paper", "model": {"backbone": backbone}}
        assert config == build_config(values=values)
        assert (config.training.epochs, config.training.batch_size, config.training.seed) == (300, 32, 0)


GOOD = {
    "title": "t",
    "source": "s",
    "metrics": ["image_auroc"],
    "unit": "percent",
    "columns": ["screw", "both"],
    "sections": [{"data": "mvtec", "categories": ["screw", "pill"], "averages": {"both": ["screw", "pill"]}}],
    "rows": [{"id": "a", "name": "A", "published": {"screw": [90], "both": [math.nan]}}],
    "corrections": [{"row": "a", "column": "screw", "value": [91], "why": "w"}],
}
ROW = GOOD["rows"][0]
SECTION = GOOD["sections"][0]
CORRECTION = GOOD["corrections"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colums": []}, "colums"),
        ({"metrics": ["image_auroc", "image_auroc"]}, "metrics must be distinct"),
        ({"columns": ["screw", "screw"]}, "columns must be distinct"),
        ({"columns": ["screw", "both", "nut"]}, "column 'nut' must be a category or an average"),
        ({"columns": ["screw"]}, "row 'a' has numbers outside the columns"),
        ({"labels": {"nut": "metal nut"}}, "label 'nut' is of no column"),
        ({"rows": [ROW, ROW]}, "rows must be distinct"),
        ({"rows": [ROW | {"id": "A b"}]}, "id"),
        ({"rows": [ROW | {"config": {"model": {}}}]}, "config of row 'a' must name a method"),
        ({"rows": [ROW | {"published": {"screw": [90, 80]}}]}, "must be one number for each of image_auroc"),
        ({"rows": [ROW | {"published": {"screw": [100.1]}}]}, "must lie between 0 and 100"),
        ({"rows": [ROW | {"published": {"screw": [-1]}}]}, "must lie between 0 and 100"),
        ({"unit": "fraction"}, "must lie between 0 and 1"),
        ({"sections": [SECTION, SECTION]}, "sections must be distinct"),
        ({"sections": [SECTION, SECTION | {"data": "lbot"}]}, "column 'screw' must be .* of one section"),
        ({"sections": [SECTION | {"categories": ["screw"]}]}, "average 'both' must be of categories"),
        ({"sections": [SECTION | {"averages": {"both": []}}]}, "average 'both' must be of categories"),
        ({"corrections": [CORRECTION | {"row": "b"}]}, "correction of 'b', 'screw' is of no cell"),
        ({"corrections": [CORRECTION | {"column": "pill"}]}, "correction of 'a', 'pill' is of no cell"),
        ({"corrections": [CORRECTION | {"value": [90]}]}, "changes nothing"),
        ({"corrections": [CORRECTION | {"value": [910]}]}, "must lie between 0 and 100"),
        ({"corrections": [CORRECTION, CORRECTION]}, "corrections must be distinct"),
    ],
)
def test_a_table_that_cannot_be_right(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Table(name="x-1", **(GOOD | change))


def test_a_number_that_is_left_out_of_a_file_is_noticed() -> None:
    """What the counts of cells rest on: files say nan where the paper has a dash."""
    for file in resources.files("blemish.papers").joinpath("tables").iterdir():
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        assert all(list(row["published"]) == values["columns"] for row in values["rows"]), file.name
