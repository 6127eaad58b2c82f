"""Measures the cells of published tables, keeps the results, and writes the tables."""

import fcntl
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from blemish.benchmark.checks import check_options, check_wishes
from blemish.benchmark.local import Outcome, run_locally
from blemish.benchmark.measured import Measured, Missing
from blemish.benchmark.output.gaps import group, sentence
from blemish.benchmark.output.summarise import summarise
from blemish.benchmark.output.summary import Summary
from blemish.benchmark.places import HERE, LOCAL, Places
from blemish.benchmark.plan import Planner, backbones_of, parse_weights
from blemish.benchmark.sources import parse_sources
from blemish.benchmark.table import find_table
from blemish.benchmark.tasks import AS_PRINTED, Wishes, changes
from blemish.comparison.record import check_writable
from blemish.errors import BlemishError, Interrupted
from blemish.progress import progress_bar

Say = Callable[[str], None]


def benchmark(
    tables: Sequence[str],
    *,
    data: Sequence[str],
    cells: Sequence[str] = (),
    categories: Sequence[str] = (),
    seeds: int = 1,
    wishes: Wishes = AS_PRINTED,
    weights: Sequence[str] = (),
    places: Places = HERE,
    store: str | Path | None = None,
    keep: Sequence[str] = (),
    out: str | Path = "benchmark",
    quiet: bool = True,
    say: Say = lambda message: None,
) -> list[Summary]:
    """Measure tables of the papers, except for what the store holds already.

    Rows that differ in scoring alone share one training. After an interruption, whatever it was, the same
    call goes on from there.

    Args:
        tables: names, such as "gtrans-1".
        data: where the data sets lie, see `blemish.benchmark.sources.parse_sources`.
        cells: ids of rows; none means all.
        categories: names of categories or held-out classes; none means all.
        seeds: each training is done with the seeds 0 to `seeds` - 1.
        wishes: what is to be otherwise than in the paper; the tables say so.
        weights: files with ImageNet weights, each as "BACKBONE=FILE", or FILE alone where there is one
            backbone.
        places: where the work is done.
        store: file or database URL for the results; None is results.sqlite in `out`.
        keep: of "weights" and "maps", what is not thrown away once it is measured; in `out`/runs.
        out: folder for files of the work.
        quiet: no progress bar.
        say: called with each sentence that the user should read.

    Returns:
        What was measured, by table, with what is missing and why.

    Raises:
        BlemishError: something given cannot be used, or nothing at all can be measured.
        Interrupted: Ctrl-C.
    """
    chosen = [find_table(name) for name in dict.fromkeys(tables)]
    check_options(chosen, cells, categories, seeds, places, keep)
    rows = {table.name: [row for row in table.rows if not cells or row.id in cells] for table in chosen}
    chosen = [table for table in chosen if rows[table.name]]
    check_wishes(rows, wishes)
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("sqlalchemy") is None:
        raise BlemishError('Measuring tables needs PyTorch and SQLAlchemy: pip install "blemish[benchmark]".')
    from blemish.benchmark.store import Store

    out = Path(out)
    sources = parse_sources(chosen, data)
    files = parse_weights(weights, backbones_of(chosen, rows, wishes))
    sentences = {table.name: changes(table, rows[table.name], wishes) for table in chosen}
    planner = Planner(files, wishes, seeds, say)
    for table in chosen:
        planner.plan(table, rows[table.name], categories, sources)
    if not planner.tasks:
        reason = planner.missing[0][1].reason if planner.missing else "these rows are quoted only"
        raise BlemishError(f"Nothing of {', '.join(tables)} can be measured: {reason.rstrip('.')}.")
    for table in chosen:
        names = {row.id: row.name for row in table.rows}
        for gap in group(one for name, one in planner.missing if name == table.name):
            say(f"{table.name}: {sentence(gap, names, [row.id for row in rows[table.name] if row.config])}")
    check_writable(out / "runs")
    place = out / "results.sqlite" if store is None else store
    with _alone(out / "runs"), closing(Store(place)) as kept:
        try:
            failures = _run(planner, kept, places, out / "runs", keep, quiet, say)
        except KeyboardInterrupt:
            raise Interrupted("Stopped; the same command goes on from there.") from None
        found = kept.read(planner.tasks)
    summaries = []
    for table in chosen:
        measured = [
            one for task, one in zip(planner.tasks, found, strict=True) if one and task.table == table.name
        ]
        missing = [one for name, one in planner.missing if name == table.name]
        missing += [
            Missing(task.row, task.data, task.category, task.seed, failures.get(task.fit, ""))
            for task, one in zip(planner.tasks, found, strict=True)
            if one is None and task.table == table.name
        ]
        shown = table.model_copy(update={"rows": tuple(rows[table.name])})
        told = planner.other_images(table) + _notes(measured) + sentences[table.name]
        summaries.append(summarise(shown, measured, missing, told))
    return summaries


def _notes(measured: list[Measured]) -> list[str]:
    """What evaluation had to say of each category's test images."""
    told = [f"{one.category}: {note}" for one in measured for note in one.facts.get("notes", ())]
    return list(dict.fromkeys(told))


def _run(
    planner: Planner, store: Any, places: Places, folder: Path, keep: Sequence[str], quiet: bool, say: Say
) -> dict[str, str]:
    """Do what the store does not hold; returns reasons of failure by fingerprint of the training."""
    jobs = []
    for job in sorted(planner.jobs.values(), key=lambda job: job.tasks[0].seed):
        found = store.read(job.tasks)
        left = [task for task, one in zip(job.tasks, found, strict=True) if one is None]
        if left:
            jobs.append(replace(job, tasks=left))
    done = len(planner.jobs) - len(jobs)
    if done:
        told = f"{done} of {len(planner.jobs)} trainings are done already"
        say(f"{told}; --keep comes too late for them." if keep else f"{told}.")
    failures = {}
    asked = [job.to_dict(folder, places.cpus, "maps" in keep) for job in jobs]
    with (
        progress_bar("Trainings", len(planner.jobs), done=done, quiet=quiet) as advance,
        _outcomes(asked, places) as outcomes,
    ):
        for number, outcome in outcomes:
            job = jobs[number]
            done += 1
            advance()
            if isinstance(outcome, BlemishError):
                failures[job.tasks[0].fit] = str(outcome)
                say(f"[{done}/{len(planner.jobs)}] {job.label}: {outcome}")
                if not any((folder / job.stem).glob("model.*")):
                    shutil.rmtree(folder / job.stem, ignore_errors=True)
                continue
            store.add(job.tasks, outcome)
            _tidy(folder / job.stem, keep)
            area = outcome["results"][job.tasks[0].fingerprint]["metrics"]["image_auroc"]
            say(
                f"[{done}/{len(planner.jobs)}] {job.label}: image AUROC {area:.3f}, "
                f"{outcome['fit_seconds'] / 60:.1f} minutes of fitting"
            )
    return failures


@contextmanager
def _outcomes(jobs: list[dict[str, Any]], places: Places) -> Iterator[Iterator[Outcome]]:
    if not jobs:
        yield iter(())
    elif places.on == LOCAL:
        workers = places.workers or max(1, (os.cpu_count() or 1) // places.cpus)
        with closing(run_locally(jobs, workers)) as outcomes:
            yield outcomes
    else:
        from blemish.benchmark.on_ray import run_on_ray
        from blemish.cluster import connected

        cpus = places.workers and places.workers * places.cpus
        with (
            connected(places.on, cpus=cpus),
            closing(run_on_ray(jobs, cpus=places.cpus, gpus=places.gpus)) as outcomes,
        ):
            yield outcomes


def _tidy(folder: Path, keep: Sequence[str]) -> None:
    """Throw away what neither this call nor an earlier one was asked to keep."""
    for one in keep:
        (folder / f"keep-{one}").touch()
    if not (folder / "keep-weights").exists():
        (folder / "model.safetensors").unlink(missing_ok=True)
        if not (folder / "keep-maps").exists():
            shutil.rmtree(folder, ignore_errors=True)


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
