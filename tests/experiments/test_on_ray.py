"""The same tasks on Ray: the same results, also when a worker is killed."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blemish.experiments.places import Places
from blemish.papers.run import benchmark

from blemish.errors import BlemishError
from blemish.experiments.on_ray import run_on_ray
from blemish.inference.cluster import connected
from blemish.papers.tasks import Wishes
from tests.papers.test_run import SMALL, results

pytest.importorskip("ray", reason="the extra ray is not installed")


@pytest.fixture(scope="module")
def options(parts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("mvtec")
    (folder / "screw").symlink_to(parts_folder)
    return {
        "tables": ["gtrans-4"],
        "data": [str(folder)],
        "categories": ["screw"],
        "wishes": Wishes(30, "test_resnet", SMALL),
        "weights": ["random"],
    }


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with connected("ray", cpus=2):
        yield


def test_a_killed_worker_changes_nothing(options: dict[str, Any], tmp_path: Path) -> None:
    benchmark(**options, out=tmp_path / "here")
    killed: list[int] = []

    def kill_one() -> None:
        deadline = time.monotonic() + 120
        while not killed and time.monotonic() < deadline:
            for checkpoint in (tmp_path / "ray" / "runs").glob("*/model.checkpoint"):
                killed.append(int((checkpoint.parent / "lock").read_text()))
                os.kill(killed[0], signal.SIGKILL)
                return
            time.sleep(0.02)

    killer = threading.Thread(target=kill_one)
    killer.start()
    said: list[str] = []
    places = Places("ray", workers=2)
    (summary,) = benchmark(**options, out=tmp_path / "ray", places=places, say=said.append)
    killer.join()
    assert killed and not summary.missing
    assert results(tmp_path / "ray") == results(tmp_path / "here")
    assert sorted(text[:5] for text in said if text.startswith("[")) == ["[1/2]", "[2/2]"]


def test_more_than_the_cluster_has_is_refused(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(
        BlemishError, match="asks for 64 CPUs and 0 GPUs, which no machine of the cluster has"
    ):
        benchmark(**options, out=tmp_path, places=Places("ray", cpus=64))
    with pytest.raises(BlemishError, match="asks for 1 CPUs and 1 GPUs, which no machine of the cluster has"):
        benchmark(**options, out=tmp_path, places=Places("ray", gpus=1))
    assert not any((tmp_path / "runs").glob("gtrans*"))


def test_a_job_that_cannot_be_done_is_told() -> None:
    ((number, outcome),) = run_on_ray([{"code": "0.0"}], cpus=1, gpus=None)
    assert number == 0 and isinstance(outcome, BlemishError) and "install the same sources" in str(outcome)


def test_room_is_counted_machine_by_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"Alive": True, "Resources": {"CPU": 1.0}}
    gone = {"Alive": False, "Resources": {"CPU": 64.0}}
    monkeypatch.setattr("ray.nodes", lambda: [small, small, gone])
    with pytest.raises(BlemishError, match="asks for 2 CPUs and 0 GPUs, which no machine of the cluster has"):
        next(run_on_ray([{"code": "0.0"}], cpus=2, gpus=None))
