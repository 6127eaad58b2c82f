"""A small experiment, and its job without a process."""

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
