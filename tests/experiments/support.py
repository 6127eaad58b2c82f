"""A small experiment, its job without a process, and a command that is interrupted."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from blemish.datasets import read_folder
from blemish.errors import BlemishError
from blemish.experiments.experiment import Experiment
from blemish.experiments.result import Result
from blemish.experiments.worker import Job, Outcome, run_job
from tests.support import small_config

STEM = "small"


def experiment(parts: Path, stem: str = STEM, **values: Any) -> Experiment:
    """A GTrans of a tenth of a second an epoch, which saves after every step."""
    training = {"epochs": 1, "checkpoint_seconds": 0} | values.pop("training", {})
    config = small_config(training=training, **{"false_alarm_rate": 0.5} | values)
    return Experiment.of(stem, config, read_folder(parts), weights="random")


def scores(result: Result | None) -> list[float]:
    assert result is not None
    return [image["score"] for image in result.images]


class JobHere:
    """Stands in for `JobProcess` where it makes no difference: a new process takes seconds to start."""

    def __init__(self, job: Job, *, bars: bool) -> None:
        self.job = job

    def wait(self) -> Outcome:
        try:
            return run_job(self.job)
        except BlemishError as error:
            return error

    def stop(self) -> None:
        pass


def interrupt(words: list[str], checkpoint: Path, number: int) -> tuple[int, str]:
    """Start a command, and send it a signal once it has trained on; its exit code and what it said."""
    written = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    with subprocess.Popen(
        words,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background job ignores it
    ) as running:
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == written:
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(number)
        _, said = running.communicate(timeout=60)  # until its last process has ended
    return running.returncode, said
