"""The process of its own in which a method is fitted, so that its peak memory is its own.

It reads one job as a line of JSON on standard input and answers in lines of JSON on standard output. It lives
as long as its input stays open: when that closes, it stops as after Ctrl-C, with a checkpoint.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from blemish.config import build_config
from blemish.datasets import Dataset, Sample
from blemish.errors import BlemishError, Interrupted


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print, in C too, is no answer
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_stop_with_input, daemon=True).start()
    try:
        answer: dict[str, Any] = {"done": _fit(job, answers)}
    except (Interrupted, KeyboardInterrupt):
        answer = {"stopped": True}
    except BlemishError as error:
        answer = {"error": str(error)}
    _answer(answers, answer)


def _fit(job: dict[str, Any], answers: TextIO) -> dict[str, Any]:
    import blemish.models.backbones  # the slow libraries, before the clock starts
    import blemish.training  # noqa: F401
    from blemish.fitting import fit_dataset
    from blemish.machine import peak_memory_mb

    start = time.perf_counter()
    fit_dataset(
        Dataset(job["name"], train=[Sample(Path(path), 0) for path in job["train"]]),
        build_config(**job["config"]),
        Path(job["out"]),
        weights=job["weights"],
        resume=job["resume"],
        quiet=job["quiet"],
        say=lambda message: _answer(answers, {"say": message}),
    )
    return {"seconds": time.perf_counter() - start, "peak_memory_mb": peak_memory_mb()}


def _answer(answers: TextIO, values: dict[str, Any]) -> None:
    print(json.dumps(values), file=answers, flush=True)


def _stop_with_input() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
