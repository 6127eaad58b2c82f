"""Measures the cells of published tables, keeps the results, and puts them beside the published numbers."""

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from blemish.errors import BlemishError, Interrupted
from blemish.experiments.result import Result, Store
from blemish.experiments.run import Place, run_experiments
from blemish.files import hold, make_folder
from blemish.models.registry import config_class
from blemish.papers.checks import check_options
from blemish.papers.configs import changes
from blemish.papers.output.summary import Summary, result_row, summarise
from blemish.papers.output.text import missing_results
from blemish.papers.plan import Missing, Planner, Task, backbones_of
from blemish.papers.sources import parse_sources, parse_weights
from blemish.papers.table import Table, find_table
from blemish.training.checks import check_concerned

HERE = Place()

log = logging.getLogger(__name__)


def reproduce(
    tables: Sequence[str],
    *,
    data: Sequence[str],
    cells: Sequence[str] = (),
    categories: Sequence[str] = (),
    seeds: int = 1,
    epochs: int | None = None,
    backbone: str | None = None,
    assignments: Sequence[str] = (),
    weights: Sequence[str] = (),
    place: Place = HERE,
    store: str | Path | None = None,
    keep: Sequence[str] = (),
    out: str | Path = "reproduction",
) -> list[Summary]:
    """Measure tables of the papers, except for what the store holds already.

    Rows that differ in scoring alone share one training. After an interruption, whatever it was, the same
    call goes on from there.

    Args:
        tables: names, such as "gtrans-1".
        data: where the data sets lie, see `blemish.papers.sources.parse_sources`.
        cells: ids of rows; none means all.
        categories: names of categories or held-out classes; none means all.
        seeds: each training is done with the seeds 0 to `seeds` - 1.
        epochs: instead of the paper's, for rows that train. The tables tell this and the next two.
        backbone: instead of the paper's, for rows that have one.
        assignments: "section.field=value" texts, for the rows that have the field.
        weights: files with ImageNet weights, each as "BACKBONE=FILE", or FILE alone where there is one
            backbone.
        place: where the work is done.
        store: folder of the results, which several may share; None is results in `out`.
        keep: of "weights" and "maps", what is not thrown away once it is measured; in `out`/runs.
        out: folder for files of the work.

    Returns:
        What was measured, by table, with what is missing and why.

    Raises:
        BlemishError: something given cannot be used, or nothing at all can be measured.
        Interrupted: Ctrl-C.
    """
    chosen = [find_table(name) for name in dict.fromkeys(tables)]
    check_options(chosen, cells, categories, seeds, place, keep)
    chosen = [table for whole in chosen if (table := _with_rows(whole, cells)).rows]
    overrides = [] if epochs is None else [f"training.epochs={epochs}"]
    overrides += [] if backbone is None else [f"model.backbone={backbone}"]
    overrides += assignments
    methods = [row.config["method"] for table in chosen for row in table.rows if row.config]
    check_concerned(overrides, {method: config_class(method) for method in methods})
    if importlib.util.find_spec("torch") is None:
        raise BlemishError('Measuring tables needs PyTorch: pip install "blemish[papers]".')
    out = Path(out)
    sources = parse_sources(chosen, data)
    planner = Planner(parse_weights(weights, backbones_of(chosen, overrides)), overrides, seeds)
    for table in chosen:
        planner.plan(table, categories, sources)
    if not planner.tasks:
        reason = planner.missing[0].reason if planner.missing else "these rows are quoted only"
        raise BlemishError(f"Nothing of {', '.join(tables)} can be measured: {reason.rstrip('.')}.")
    for table in chosen:
        for text in missing_results(table, planner.missing):
            log.warning(f"{table.name}: {text}")
    make_folder(out / "runs")
    results = Store(out / "results" if store is None else Path(store))
    experiments = [task.experiment for task in sorted(planner.tasks, key=lambda task: task.seed)]
    with _alone(out / "runs"):
        try:
            failures = run_experiments(experiments, results, out / "runs", place, keep=keep)
        except KeyboardInterrupt:
            raise Interrupted("Stopped; the same command goes on from there.") from None
    found = [(task, results.read(task.experiment)) for task in planner.tasks]
    return [_summary(table, overrides, planner, found, failures) for table in chosen]


def _with_rows(table: Table, cells: Sequence[str]) -> Table:
    rows = tuple(row for row in table.rows if not cells or row.id in cells)
    return table.model_copy(update={"rows": rows})


def _summary(
    table: Table,
    overrides: Sequence[str],
    planner: Planner,
    found: Sequence[tuple[Task, Result | None]],
    failures: dict[str, str],
) -> Summary:
    rows = []
    missing = [one for one in planner.missing if one.table == table.name]
    notes: dict[str, None] = {}  # what evaluation has to say of each category's test images
    for task, result in found:
        if task.table != table.name:
            continue
        unreadable = [row["error"] for row in result.images if row["error"]] if result else []
        if result and not unreadable:
            rows.append(result_row(task, result))
            notes |= dict.fromkeys(f"{task.category}: {note}" for note in result.measured["notes"])
            continue
        reason = failures.get(task.experiment.fit, "Not measured yet.")
        if unreadable:
            reason = f"A test image cannot be used: {unreadable[0]}"
        missing.append(Missing(*task[:5], reason))
    told = [*planner.other_images(table), *notes, *changes(table, table.rows, overrides)]
    return summarise(table, rows, missing, told)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second sweep out of the folder.

    Raises:
        BlemishError: there is one.
    """
    with (folder / "lock").open("w") as file:
        if not hold(file):
            raise BlemishError(
                f"Another sweep is at work in {folder.parent}; wait for it, or give another --out "
                "(both may have the same --store)."
            )
        yield
