"""Jobs in processes of this machine."""

from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from blemish.apart import Apart
from blemish.errors import BlemishError

Outcome = tuple[int, dict[str, Any] | BlemishError]


def run_locally(jobs: list[dict[str, Any]], workers: int) -> Generator[Outcome, None, None]:
    """Run jobs, each in a process of its own.

    Args:
        jobs: for `blemish.benchmark.job.run_job`.
        workers: processes at once.

    Yields:
        As jobs end, the number of the job and what `run_job` gave, or why it could not.

    Raises:
        KeyboardInterrupt: Ctrl-C; all processes have then written their checkpoints.
    """
    calls: dict[int, Apart] = {}
    waiting = list(reversed(range(len(jobs))))
    running: dict[Future[dict[str, Any]], int] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    number = waiting.pop()
                    calls[number] = Apart(
                        "blemish.benchmark.job:run_job", jobs[number], threads=jobs[number]["cpus"]
                    )
                    running[pool.submit(calls[number].wait)] = number
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    number = running.pop(future)
                    del calls[number]
                    yield number, _outcome(future)
        finally:
            for call in calls.values():
                call.stop()


def _outcome(future: Future[dict[str, Any]]) -> dict[str, Any] | BlemishError:
    try:
        return future.result()
    except BlemishError as error:
        return error
