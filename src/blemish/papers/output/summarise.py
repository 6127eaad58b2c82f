"""Puts measured numbers beside published ones."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from blemish.papers.measured import Measured, Missing
from blemish.papers.output.aggregate import Place, Statistic, images_of, statistic, values_of
from blemish.papers.output.gaps import group
from blemish.papers.output.pairs import compare_rows
from blemish.papers.output.summary import Cell, Column, Correction, Line, Result, Summary
from blemish.papers.output.trainings import cost_of, trainings_of
from blemish.papers.table import Row, Section, Table


def summarise(
    table: Table,
    measured: Sequence[Measured],
    missing: Iterable[Missing],
    changes: Iterable[str] = (),
) -> Summary:
    """Put measured numbers beside published ones.

    Args:
        table: what the paper prints.
        measured: results, each row, category and seed at most once.
        missing: results that are not there.
        changes: how the run differs from the paper, in sentences.

    Raises:
        BlemishError: results of one category are of different test images.
    """
    values = {metric: values_of(measured, metric) for metric in table.metrics}
    images = images_of(measured) if "image_auroc" in table.metrics else {}
    columns = _columns(table, measured)
    trainings = trainings_of(measured)
    there = {one.row for one in measured}
    cells = []
    for row in table.rows:
        draws = {place: on.draws_of(row.id) for place, on in images.items() if row.id in on.rows}
        for column in columns:
            for index, metric in enumerate(table.metrics):
                found = statistic(
                    values[metric].get(row.id, {}),
                    column.places,
                    draws if metric == "image_auroc" else None,
                )
                cells.append(_cell(table, row, column, index, found))
    extra = any(not column.printed for column in columns)
    return Summary(
        name=table.name,
        title=table.title,
        source=table.source,
        unit=table.unit,
        metrics=table.metrics,
        protocol=table.protocol,
        changes=tuple(changes),
        columns_down=table.across or (extra and len(columns) > len(table.rows)),
        columns=columns,
        rows=tuple(Line(row.id, row.name, row.reading, _state(row, there)) for row in table.rows),
        cells=tuple(cells),
        pairs=tuple(
            pair
            for data in dict.fromkeys(section.data for section in table.sections)
            for metric in table.metrics
            for pair in compare_rows(data, metric, [row.id for row in table.rows], values[metric], images)
        ),
        results=tuple(
            Result(
                one.row,
                one.data,
                one.category,
                one.seed,
                {metric: one.metrics.get(metric) for metric in table.metrics},
                one.fit_seconds,
                one.score_seconds,
                str(one.facts.get("fingerprint", "")),
            )
            for one in measured
        ),
        trainings=tuple(trainings),
        costs=tuple(cost_of(row.id, measured, trainings) for row in table.rows if row.id in there),
        gaps=tuple(group(missing)),
        corrections=_corrections(table),
        machines=_facts(measured, "machine"),
        versions=_facts(measured, "versions"),
        teachers=_facts(measured, "teacher"),
    )


def _columns(table: Table, measured: Sequence[Measured]) -> tuple[Column, ...]:
    printed = tuple(_printed_column(table, name) for name in table.columns)
    shown = {column.places[0] for column in printed if not column.average}
    there = {(one.data, one.category) for one in measured}
    extra = []
    for section in table.sections:
        for category in section.categories:
            place = (section.data, category)
            if place in there - shown:
                several = len(table.sections) > 1
                label = f"{category} ({section.data})" if several else category
                extra.append(Column("/".join(place), label, (place,), average=False, printed=False))
    return printed + tuple(extra)


def _printed_column(table: Table, name: str) -> Column:
    section = next(one for one in table.sections if name in one.averages or name in one.categories)
    average = name in section.averages
    categories = section.averages.get(name, (name,))
    label = table.labels.get(name, name)
    return Column(name, label, _places(section, categories), average=average, printed=True)


def _places(section: Section, categories: Iterable[str]) -> tuple[Place, ...]:
    return tuple((section.data, category) for category in categories)


def _cell(table: Table, row: Row, column: Column, index: int, measured: Statistic | None) -> Cell:
    numbers = table.published(row, column.id)
    published = numbers[index] if numbers else None
    printed = row.published.get(column.id)
    difference, agrees = None, None
    if measured and measured.complete and published is not None:
        difference = measured.mean - published
        if measured.interval:
            half = 0.0005  # of the last digit printed, in both units
            agrees = measured.interval[0] - half <= published <= measured.interval[1] + half
    return Cell(
        row=row.id,
        column=column.id,
        metric=table.metrics[index],
        published=published,
        printed=printed[index] if printed else None,
        corrected=table.is_corrected(row, column.id) and published != _fraction(table, printed, index),
        measured=measured,
        difference=difference,
        agrees=agrees,
    )


def _fraction(table: Table, printed: tuple[float | None, ...] | None, index: int) -> float | None:
    number = printed[index] if printed else None
    return number / 100 if number is not None and table.unit == "percent" else number


def _state(row: Row, there: Collection[str]) -> str:
    if row.config is None:
        return "quoted"
    return "measured" if row.id in there else "not yet"


def _corrections(table: Table) -> tuple[Correction, ...]:
    rows = {row.id: row for row in table.rows}
    return tuple(
        Correction(rows[one.row].name, table.labels.get(one.column, one.column), one.why)
        for one in table.corrections
        if one.row in rows
    )


def _facts(measured: Iterable[Measured], name: str) -> tuple[str, ...]:
    """Each value of a fact that occurs, as text."""
    found = (one.facts.get(name) for one in measured)
    return tuple(dict.fromkeys(_words(value) for value in found if value))


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    return str(value)
