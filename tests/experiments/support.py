"""A small experiment."""

from pathlib import Path
from typing import Any

from blemish.datasets import read_folder
from blemish.experiments.experiment import Experiment
from blemish.experiments.result import Result
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
