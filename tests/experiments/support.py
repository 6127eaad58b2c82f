"""A small experiment, and processes to stop in the middle of it."""

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from blemish.datasets import read_folder
from blemish.experiments.experiment import Experiment
from blemish.experiments.result import Result, Store
from blemish.experiments.run import Place, run_experiments
from blemish.experiments.worker import CHECKPOINT, LOG
from tests.support import small_config

EPOCHS = 20
STEM = "small"


def experiment(parts: Path, stem: str = STEM, **values: Any) -> Experiment:
    """A GTrans of a second an epoch or less, which saves after every step."""
    training = {"epochs": 1, "checkpoint_seconds": 0} | values.pop("training", {})
    config = small_config(training=training, **{"false_alarm_rate": 0.5} | values)
    return Experiment.of(stem, config, read_folder(parts), weights="random")


def scores(result: Result | None) -> list[float]:
    assert result is not None
    return [image["score"] for image in result.images]


def wait_for_epochs(folder: Path, count: int) -> list[dict[str, Any]]:
    """What the unfinished log says of the epochs, once there are so many of them and a checkpoint."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(OSError, ValueError):
            lines = (folder / f"{STEM}{LOG}.part").read_text(encoding="utf-8").splitlines()
            epochs = [line for line in map(json.loads, lines) if "epoch" in line]
            if len(epochs) >= count and (folder / f"{STEM}{CHECKPOINT}").exists():
                return epochs
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def worker_in(folder: Path) -> int:
    """The process that has the lock of the experiment's files."""
    lock = str(folder / f".{STEM}.lock")
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if str(link.readlink()) == lock:
                return int(link.parts[2])
    raise AssertionError("nobody works there")


def run_long(parts: Path, folder: Path, place: Place) -> tuple[dict[str, str], Result | None]:
    """Failures and result of an experiment of many epochs."""
    long, store = experiment(parts, training={"epochs": EPOCHS}), Store(folder / "results")
    return run_experiments([long], store, folder, place), store.read(long)


if __name__ == "__main__":  # a caller to stop
    print(*run_long(Path(sys.argv[1]), Path(sys.argv[2]), Place(workers=1))[0].values())
