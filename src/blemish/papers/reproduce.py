"""Measures the cells of published tables, keeps the results, and writes the tables."""

import fcntl
import importlib.util
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from blemish.errors import BlemishError, Interrupted
from blemish.experiments.result import Result, Store
from blemish.experiments.run import Place, run_experiments
from blemish.files import make_folder
from blemish.papers.checks import check_options, check_wishes
from blemish.papers.measured import Measured, Missing
from blemish.papers.output.gaps import group, sentence
from blemish.papers.output.summarise import summarise
from blemish.papers.output.summary import Summary
from blemish.papers.plan import Planner, backbones_of, parse_weights
from blemish.papers.sources import parse_sources
from blemish.papers.table import Row, Table, find_table
from blemish.papers.tasks import AS_PRINTED, Task, Wishes, changes

HERE = Place()

log = logging.getLogger(__name__)


def reproduce(
    tables: Sequence[str],
    *,
    data: Sequence[str],
    cells: Sequence[str] = (),
    categories: Sequence[str] = (),
    seeds: int = 1,
    wishes: Wishes = AS_PRINTED,
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
        wishes: what is to be otherwise than in the paper; the tables say so.
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
    rows = {table.name: [row for row in table.rows if not cells or row.id in cells] for table in chosen}
    chosen = [table for table in chosen if rows[table.name]]
    check_wishes(rows, wishes)
    if importlib.util.find_spec("torch") is None:
        raise BlemishError('Measuring tables needs PyTorch: pip install "blemish[train]".')
    out = Path(out)
    sources = parse_sources(chosen, data)
    files = parse_weights(weights, backbones_of(chosen, rows, wishes))
    planner = Planner(files, wishes, seeds)
    for table in chosen:
        planner.plan(table, rows[table.name], categories, sources)
    if not planner.tasks:
        reason = planner.missing[0][1].reason if planner.missing else "these rows are quoted only"
        raise BlemishError(f"Nothing of {', '.join(tables)} can be measured: {reason.rstrip('.')}.")
    for table in chosen:
        names = {row.id: row.name for row in table.rows}
        for gap in group(one for name, one in planner.missing if name == table.name):
            asked = [row.id for row in rows[table.name] if row.config]
            log.warning(f"{table.name}: {sentence(gap, names, asked)}")
    make_folder(out / "runs")
    results = Store(out / "results" if store is None else Path(store))
    experiments = [task.experiment for task in sorted(planner.tasks, key=lambda task: task.seed)]
    with _alone(out / "runs"):
        try:
            failures = run_experiments(experiments, results, out / "runs", place, keep=keep)
        except KeyboardInterrupt:
            raise Interrupted("Stopped; the same command goes on from there.") from None
    found = [(task, results.read(task.experiment)) for task in planner.tasks]
    return [_summary(table, rows[table.name], wishes, planner, found, failures) for table in chosen]


def _summary(
    table: Table,
    rows: list[Row],
    wishes: Wishes,
    planner: Planner,
    found: Sequence[tuple[Task, Result | None]],
    failures: dict[str, str],
) -> Summary:
    measured: list[Measured] = []
    missing = [one for name, one in planner.missing if name == table.name]
    for task, result in found:
        if task.table != table.name:
            continue
        unreadable = [row["error"] for row in result.images if row["error"]] if result else []
        if result and not unreadable:
            measured.append(Measured.of(task, result))
            continue
        reason = failures.get(task.experiment.fit, "")
        if unreadable:
            reason = f"A test image cannot be used: {unreadable[0]}"
        missing.append(Missing(task.row, task.data, task.category, task.seed, reason))
    shown = table.model_copy(update={"rows": tuple(rows)})
    told = planner.other_images(table) + _notes(measured) + changes(table, rows, wishes)
    return summarise(shown, measured, missing, told)


def _notes(measured: list[Measured]) -> list[str]:
    """What evaluation had to say of each category's test images."""
    told = [f"{one.category}: {note}" for one in measured for note in one.facts.get("notes", ())]
    return list(dict.fromkeys(told))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second sweep out of the folder.

    Raises:
        BlemishError: there is one.
    """
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlemishError(
                f"Another sweep is at work in {folder.parent}; wait for it, or give another --out "
                "(both may have the same --store)."
            ) from None
        yield
