"""Measures the cells of published tables, keeps the results, and puts them beside the published numbers."""

import importlib.util
import logging
from collections.abc import Sequence
from pathlib import Path

from blemish.errors import BlemishError, ConfigError, Interrupted, choice
from blemish.experiments.result import Result, Store
from blemish.experiments.run import LOCAL, Place, run_experiments
from blemish.experiments.worker import alone
from blemish.extras import install_command
from blemish.files import make_folder
from blemish.models.registry import config_class
from blemish.papers.configs import changes
from blemish.papers.output.summary import Summary, result_row, summarise
from blemish.papers.output.text import missing_results
from blemish.papers.plan import Missing, Planner, Task, backbones_of
from blemish.papers.sources import parse_sources, parse_weights
from blemish.papers.table import Table, find_table
from blemish.training.checks import check_concerned

HERE = Place()
KEEPABLE = ("weights", "maps")

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
    _check_numbers(seeds, place, keep)
    _check_names(chosen, cells, categories)
    if cells:
        rows = [tuple(row for row in table.rows if row.id in cells) for table in chosen]
        chosen = [table.model_copy(update={"rows": of}) for table, of in zip(chosen, rows, strict=True) if of]
    overrides = [] if epochs is None else [f"training.epochs={epochs}"]
    overrides += [] if backbone is None else [f"model.backbone={backbone}"]
    overrides += assignments
    methods = [row.config["method"] for table in chosen for row in table.rows if row.config]
    check_concerned(overrides, {method: config_class(method) for method in methods})
    if importlib.util.find_spec("torch") is None:
        raise BlemishError(f"Measuring tables needs PyTorch: {install_command('papers')}.")
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
    busy = f"Another sweep is at work in {out}; wait for it, or give another --out (with the same --store)."
    with alone(out / "runs" / ".lock", busy):
        try:
            failures = run_experiments(experiments, results, out / "runs", place, keep=keep)
        except KeyboardInterrupt:
            raise Interrupted("Stopped; the same command goes on from there.") from None
    found = [(task, results.read(task.experiment)) for task in planner.tasks]
    return [_summary(table, planner, found, failures) for table in chosen]


def _check_numbers(seeds: int, place: Place, keep: Sequence[str]) -> None:
    if seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, not {seeds}; leave it out for one.")
    for name, value in (("cpus", place.cpus), ("workers", place.workers)):
        if value is not None and value < 1:
            raise ConfigError(f"--{name} must be at least 1, not {value}; leave it out.")
    if place.on not in (LOCAL, "ray") and not place.on.startswith("ray://"):
        raise ConfigError(f"--on is local, ray or ray://host:port, not {place.on!r}.")
    if place.on.startswith("ray://") and place.workers is not None:
        raise ConfigError("--workers is for this machine; a cluster runs what it has room for: leave it out.")
    if place.on == LOCAL and place.gpus is not None:
        raise ConfigError("--gpus is for --on ray; leave it out, or give --on ray.")
    for one in keep:
        if one not in KEEPABLE:
            raise ConfigError(f"--keep takes {' or '.join(KEEPABLE)}, not {one!r}.")


def _check_names(tables: Sequence[Table], cells: Sequence[str], categories: Sequence[str]) -> None:
    ids = [row.id for table in tables for row in table.rows]
    names = [name for table in tables for section in table.sections for name in section.categories]
    for option, given, known in (("--cells", cells, ids), ("--categories", categories, names)):
        for one in given:
            if one not in known:
                raise ConfigError(
                    f"{option}: there is no {one!r} in {', '.join(table.name for table in tables)}; "
                    f"{choice(one, dict.fromkeys(known))}"
                )


def _summary(
    table: Table, planner: Planner, found: Sequence[tuple[Task, Result | None]], failures: dict[str, str]
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
    told = [*planner.other_images(table), *notes, *changes(table, planner.overrides)]
    return summarise(table, rows, missing, told)
