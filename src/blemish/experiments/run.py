"""Runs experiments that have no result yet, on this machine or on Ray."""

import logging
import os
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from blemish.errors import BlemishError
from blemish.experiments.experiment import Experiment, code_version
from blemish.experiments.process import JobProcess
from blemish.experiments.result import Store
from blemish.experiments.worker import Job, Outcome, run_job
from blemish.inference.cluster import connected, machines, room
from blemish.progress import progress_bar

LOCAL = "local"
RETRIES = 3  # of a job whose worker or machine is lost
SECONDS_TO_STOP = 60

Outcomes = Generator[tuple[Job, Outcome], None, None]  # as jobs end

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
        BlemishError: no machine of the cluster has what a fit asks for.
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
    one_by_one = place.on == LOCAL and place.workers == 1  # each fit draws its own bars
    bar = nullcontext(lambda: None) if one_by_one else progress_bar("Fits", len(fits), done=done)
    with bar as advance, closing(_outcomes(jobs, place)) as outcomes:
        for job, outcome in outcomes:
            done += 1
            advance()
            start = f"[{done}/{len(fits)}] {job.stem}: "
            if isinstance(outcome, BlemishError):
                failures[job.experiments[0].fit] = str(outcome)
                log.warning(f"{start}{outcome}")
                continue
            for result in outcome:
                store.write(result)
            area, minutes = outcome[0].measured["image"]["auroc"], outcome[0].fit_seconds / 60
            measured = "" if area is None else f"image AUROC {area:.3f}, "
            log.info(f"{start}{measured}{minutes:.1f} minutes of fitting")
    return failures


def _is_done(experiment: Experiment, store: Store, folder: Path, keep: Sequence[str]) -> bool:
    """Whether there is a result, and the model where it is to be kept."""
    measured = store.read(experiment) is not None
    return measured and ("weights" not in keep or Job([experiment], folder).fitted)


def _outcomes(jobs: list[Job], place: Place) -> Outcomes:
    if place.on == LOCAL:
        workers = place.workers or max(1, (os.cpu_count() or 1) // (place.cpus or os.cpu_count() or 1))
        yield from _run_locally(jobs, workers, bars=place.workers == 1)
    elif jobs:
        cpus = place.cpus or 1
        with connected(place.on, cpus=place.workers and place.workers * cpus):
            yield from _run_on_ray(jobs, cpus, place.gpus)


def _run_locally(jobs: list[Job], workers: int, *, bars: bool) -> Outcomes:
    """Run jobs, each in a process of its own, so many at once."""
    waiting = jobs[::-1]
    running: dict[Future[Outcome], tuple[Job, JobProcess]] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    job = waiting.pop()
                    process = JobProcess(job, bars=bars)
                    running[pool.submit(process.wait)] = job, process
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    job, _ = running.pop(future)
                    yield job, future.result()
        finally:
            for _, process in running.values():
                process.stop()


def _run_on_ray(jobs: list[Job], cpus: int, gpus: float | None) -> Outcomes:
    """Run jobs on the cluster that this program is connected to.

    A job whose worker is lost is done again elsewhere; it goes on from its checkpoint where the folder of its
    files is there.
    """
    import ray

    if gpus is None:
        gpus = 1.0 if any(machine.get("GPU") for machine in machines()) else 0.0
    if not room(cpus, gpus):
        raise BlemishError(
            f"A task asks for {cpus} CPUs and {gpus:g} GPUs, which no machine of the cluster has; "
            "give smaller --cpus or --gpus."
        )
    remote = ray.remote(
        num_cpus=cpus,
        num_gpus=gpus,
        max_retries=RETRIES,
        max_calls=1,  # memory is given back, and the measured peak is the job's own
        runtime_env={"env_vars": {"OMP_NUM_THREADS": str(cpus)}},
    )(_run)
    running = {remote.remote(job): job for job in jobs}
    try:
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(done)
            try:
                yield job, ray.get(done)
            except ray.exceptions.RayTaskError as error:
                yield job, BlemishError(f"The worker failed: {str(error).strip().splitlines()[-1]}")
            except ray.exceptions.RayError as error:
                reason = f"The worker was lost {RETRIES + 1} times ({type(error).__name__})."
                yield job, BlemishError(reason)
    finally:
        for reference in running:
            ray.cancel(reference)
        if running:  # they write their checkpoints
            ray.wait(list(running), num_returns=len(running), timeout=SECONDS_TO_STOP)


def _run(job: Job) -> Outcome:
    try:
        return run_job(job)
    except BlemishError as error:
        return BlemishError(str(error))
