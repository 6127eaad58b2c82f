"""Runs experiments that have no result yet, on this machine or on Ray."""

import logging
import os
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from blemish.errors import BlemishError
from blemish.experiments.experiment import Experiment, code_version
from blemish.experiments.process import JobProcess
from blemish.experiments.result import Result, Store
from blemish.experiments.worker import Job
from blemish.progress import Advance, progress_bar

LOCAL = "local"

Outcome = tuple[int, list[Result] | BlemishError]  # number of the job, and what it gave or why it could not

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where the work is done, and with what.

    Attributes:
        on: "local", or what `blemish.inference.cluster.connected` takes.
        workers: fits at once on this machine; None is one per `cpus` cores. A cluster that is joined decides
            itself.
        cpus: cores of each fit; the last digits of results depend on it. None is all, for one fit at a time.
        gpus: GPUs of each fit on Ray; None is one where there are any.
    """

    on: str = LOCAL
    workers: int | None = None
    cpus: int | None = 1
    gpus: float | None = None


def run_experiments(
    experiments: Sequence[Experiment],
    store: Store,
    folder: Path,
    place: Place,
    *,
    keep: Sequence[str] = (),
) -> dict[str, str]:
    """Fit and measure what the store has no result of; each result is in the store as soon as it is there.

    Experiments that differ in scoring or in test images alone share a fit. After an interruption, whatever it
    was, the same call goes on from there.

    Args:
        experiments: what to do, the most wanted first.
        store: of results.
        folder: for model files, checkpoints and logs, which take the experiments' stems.
        place: where the work is done.
        keep: of "weights" and "maps", what is not thrown away once it is measured.

    Returns:
        Why experiments failed, by their fit.

    Raises:
        KeyboardInterrupt: Ctrl-C; all work has written its checkpoints.
    """
    fits: dict[str, list[Experiment]] = {}
    for experiment in experiments:
        fits.setdefault(experiment.fit, []).append(experiment)
    jobs = []
    for of in fits.values():
        left = {one.fingerprint: one for one in of if not _is_done(one, store, folder, keep)}
        if left:
            jobs.append(Job(list(left.values()), folder.absolute(), place.cpus, tuple(keep), code_version()))
    done = len(fits) - len(jobs)
    if done:
        log.info(f"{done} of {len(fits)} fits are done already.")
    failures = {}
    with _progress(len(fits), done, place) as advance, _outcomes(jobs, place) as outcomes:
        for number, outcome in outcomes:
            first = jobs[number].experiments[0]
            done += 1
            advance()
            if isinstance(outcome, BlemishError):
                failures[first.fit] = str(outcome)
                log.warning(f"[{done}/{len(fits)}] {first.stem}: {outcome}")
                continue
            for result in outcome:
                store.write(result)
            area, minutes = outcome[0].measured["image"]["auroc"], outcome[0].fit_seconds / 60
            measured = "" if area is None else f"image AUROC {area:.3f}, "
            log.info(f"[{done}/{len(fits)}] {first.stem}: {measured}{minutes:.1f} minutes of fitting")
    return failures


def _is_done(experiment: Experiment, store: Store, folder: Path, keep: Sequence[str]) -> bool:
    """Whether there is a result, and the model where it is to be kept."""
    if store.read(experiment) is None:
        return False
    return "weights" not in keep or Job([experiment], folder).fitted


@contextmanager
def _progress(fits: int, done: int, place: Place) -> Iterator[Advance]:
    """A bar of the fits, unless they come one at a time and draw bars themselves."""
    if place.on == LOCAL and place.workers == 1:
        yield lambda: None
        return
    with progress_bar("Fits", fits, done=done) as advance:
        yield advance


@contextmanager
def _outcomes(jobs: list[Job], place: Place) -> Iterator[Iterator[Outcome]]:
    if not jobs:
        yield iter(())
    elif place.on == LOCAL:
        workers = place.workers or max(1, (os.cpu_count() or 1) // (place.cpus or os.cpu_count() or 1))
        with closing(_run_locally(jobs, workers, bars=place.workers == 1)) as outcomes:
            yield outcomes
    else:
        from blemish.experiments.on_ray import run_on_ray
        from blemish.inference.cluster import connected

        cpus = place.cpus or 1
        with (
            connected(place.on, cpus=place.workers and place.workers * cpus),
            closing(run_on_ray(jobs, cpus=cpus, gpus=place.gpus)) as outcomes,
        ):
            yield outcomes


def _run_locally(jobs: list[Job], workers: int, *, bars: bool) -> Generator[Outcome, None, None]:
    """Run jobs, each in a process of its own, so many at once; outcomes come as jobs end.

    Raises:
        KeyboardInterrupt: Ctrl-C; all processes have then written their checkpoints.
    """
    processes: dict[int, JobProcess] = {}
    waiting = list(reversed(range(len(jobs))))
    running: dict[Future[list[Result]], int] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    number = waiting.pop()
                    label = jobs[number].experiments[0].stem
                    processes[number] = JobProcess(jobs[number], label, bars=bars)
                    running[pool.submit(processes[number].wait)] = number
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    number = running.pop(future)
                    del processes[number]
                    yield number, _outcome(future)
        finally:
            for process in processes.values():
                process.stop()


def _outcome(future: Future[list[Result]]) -> list[Result] | BlemishError:
    try:
        return future.result()
    except BlemishError as error:
        return error
