"""Measures the cells of published tables, keeps the results, and writes the tables."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from blemish.benchmark.local import Outcome, run_locally
from blemish.benchmark.measured import Missing
from blemish.benchmark.output.gaps import group, sentence
from blemish.benchmark.output.summarise import summarise
from blemish.benchmark.output.summary import Summary
from blemish.benchmark.plan import Planner, parse_weights
from blemish.benchmark.sources import parse_sources
from blemish.benchmark.table import Table, find_table
from blemish.benchmark.tasks import AS_PRINTED, Wishes, changes
from blemish.errors import BlemishError, ConfigError, Interrupted
from blemish.progress import progress_bar

Say = Callable[[str], None]
LOCAL = "local"
KEEPABLE = ("weights", "maps")


@dataclass(frozen=True)
class Places:
    """Where the work is done, and with what.

    Attributes:
        on: "local", or what `blemish.cluster.connected` takes.
        workers: trainings at once on this machine; None is one per `cpus` cores. A cluster that is joined
            decides itself.
        cpus: cores of each training; the last digits of results depend on it.
        gpus: GPUs of each training on Ray; None is one where there are any.
    """

    on: str = LOCAL
    workers: int | None = None
    cpus: int = 1
    gpus: float | None = None


HERE = Places()


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
    _check(chosen, cells, categories, seeds, places, keep)
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("sqlalchemy") is None:
        raise BlemishError('Measuring tables needs PyTorch and SQLAlchemy: pip install "blemish[benchmark]".')
    from blemish.benchmark.store import Store

    out = Path(out)
    sources = {table.name: parse_sources(table, data) for table in chosen}
    rows = {table.name: [row for row in table.rows if not cells or row.id in cells] for table in chosen}
    sentences = {table.name: changes(table, rows[table.name], wishes) for table in chosen}
    planner = Planner(parse_weights(weights), wishes, seeds, say)
    for table in chosen:
        planner.plan(table, rows[table.name], categories, sources[table.name])
    if not planner.tasks:
        reason = planner.missing[0][1].reason if planner.missing else "these rows are quoted only"
        raise BlemishError(f"Nothing of {', '.join(tables)} can be measured: {reason.rstrip('.')}.")
    for table in chosen:
        names = {row.id: row.name for row in table.rows}
        for gap in group(one for name, one in planner.missing if name == table.name):
            say(f"{table.name}: {sentence(gap, names, [row.id for row in rows[table.name] if row.config])}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BlemishError(
            f"The folder {out} cannot be made ({error.strerror}); give another --out."
        ) from None
    with closing(Store(out / "results.sqlite" if store is None else store)) as kept:
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
        told = planner.other_images(table) + sentences[table.name]
        summaries.append(summarise(shown, measured, missing, told))
    return summaries


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
        say(f"{done} of {len(planner.jobs)} trainings are done already.")
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
                    _tidy(folder / job.stem, ())
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
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    elif "weights" not in keep:
        (folder / "model.safetensors").unlink(missing_ok=True)


def _check(
    tables: list[Table],
    cells: Sequence[str],
    categories: Sequence[str],
    seeds: int,
    places: Places,
    keep: Sequence[str],
) -> None:
    if seeds < 1:
        raise ConfigError(f"--seeds must be at least 1, not {seeds}; leave it out for one.")
    for name, value in (("cpus", places.cpus), ("workers", places.workers)):
        if value is not None and value < 1:
            raise ConfigError(f"--{name} must be at least 1, not {value}; leave it out.")
    if places.on.startswith("ray://") and places.workers is not None:
        raise ConfigError("--workers is for this machine; a cluster runs what it has room for: leave it out.")
    if places.on == LOCAL and places.gpus is not None:
        raise ConfigError("--gpus is for --on ray; leave it out, or give --on ray.")
    for one in keep:
        if one not in KEEPABLE:
            raise ConfigError(f"--keep takes {' or '.join(KEEPABLE)}, not {one!r}.")
    ids = [row.id for table in tables for row in table.rows]
    names = [name for table in tables for section in table.sections for name in section.categories]
    for option, given, known in (("--cells", cells, ids), ("--categories", categories, names)):
        for one in given:
            if one not in known:
                raise ConfigError(
                    f"{option}: there is no {one!r} in {', '.join(table.name for table in tables)}; "
                    f"choose from {', '.join(dict.fromkeys(known))}."
                )
