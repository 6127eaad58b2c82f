"""Jobs on a Ray cluster."""

from collections.abc import Generator

from blemish.errors import BlemishError
from blemish.experiments.result import Result
from blemish.experiments.worker import Job, run_job
from blemish.inference.cluster import machines, room

RETRIES = 3  # of a job whose worker or machine is lost
SECONDS_TO_STOP = 60


def run_on_ray(
    jobs: list[Job], *, cpus: int, gpus: float | None
) -> Generator[tuple[int, list[Result] | BlemishError], None, None]:
    """Run jobs on the cluster that this program is connected to (`blemish.inference.cluster`).

    A job whose worker is lost is done again elsewhere; it goes on from its checkpoint where the folder of its
    files is there.

    Args:
        jobs: what to do.
        cpus: cores that a job asks for.
        gpus: GPUs that a job asks for, perhaps a part of one; None asks for one where the cluster has any.

    Yields:
        As jobs end, the number of the job and what it gave, or why it could not.

    Raises:
        BlemishError: no machine of the cluster has what a job asks for.
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
    running = {remote.remote(job): number for number, job in enumerate(jobs)}
    try:
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            number = running.pop(done)
            try:
                yield number, ray.get(done)
            except ray.exceptions.RayTaskError as error:
                yield number, BlemishError(f"The worker failed: {str(error).strip().splitlines()[-1]}")
            except ray.exceptions.RayError as error:
                reason = f"The worker was lost {RETRIES + 1} times ({type(error).__name__})."
                yield number, BlemishError(reason)
    finally:
        for reference in running:
            ray.cancel(reference)
        if running:  # they write their checkpoints
            ray.wait(list(running), num_returns=len(running), timeout=SECONDS_TO_STOP)


def _run(job: Job) -> list[Result] | BlemishError:
    try:
        return run_job(job)
    except BlemishError as error:
        return BlemishError(str(error))
