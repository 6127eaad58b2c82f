"""The same experiments on Ray: the same results, also when a worker is killed."""

import os
import signal
import threading
from pathlib import Path

import pytest

from blemish.errors import BlemishError
from blemish.experiments.on_ray import run_on_ray
from blemish.experiments.result import Result, Store
from blemish.experiments.run import Place, run_experiments
from blemish.experiments.worker import Job
from tests.experiments.support import experiment, run_long, scores, wait_for_epochs, worker_in

pytest.importorskip("ray", reason="the extra blemish[ray] is not installed")

pytestmark = pytest.mark.slow


def test_a_killed_worker_changes_nothing(
    ray_here: None, uninterrupted: Result, parts_folder: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_one() -> None:
        wait_for_epochs(tmp_path, 2)
        killed.append(worker_in(tmp_path))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    failures, result = run_long(parts_folder, tmp_path, Place("ray", workers=2))
    killer.join()
    assert killed and not failures
    assert scores(result) == scores(uninterrupted)


def test_more_than_the_cluster_has_is_refused(ray_here: None, parts_folder: Path, tmp_path: Path) -> None:
    for place, words in (
        (Place("ray", cpus=64), "asks for 64 CPUs and 0 GPUs, which no machine of the cluster has"),
        (Place("ray", gpus=1), "asks for 1 CPUs and 1 GPUs, which no machine of the cluster has"),
    ):
        with pytest.raises(BlemishError, match=words):
            run_experiments([experiment(parts_folder)], Store(tmp_path / "results"), tmp_path, place)
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_cannot_be_done_is_told(ray_here: None, parts_folder: Path, tmp_path: Path) -> None:
    ((number, outcome),) = run_on_ray([Job([experiment(parts_folder)], tmp_path)], cpus=1, gpus=None)
    assert number == 0 and isinstance(outcome, BlemishError) and "install the same sources" in str(outcome)
