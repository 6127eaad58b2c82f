"""Fits are made once, failures are told, and whatever stops the work, the same call goes on from there."""

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blemish.errors import BlemishError
from blemish.experiments.experiment import Experiment, code_version
from blemish.experiments.process import JobProcess
from blemish.experiments.result import Result, Store
from blemish.experiments.run import Place, run_experiments
from blemish.experiments.worker import Job, run_job
from tests.experiments.support import STEM, experiment, scores

pytestmark = pytest.mark.slow


def hopeless(one: Experiment) -> Experiment:
    dataset = replace(one.dataset, train=one.dataset.train[:1])
    return replace(one, stem="bad", dataset=dataset, learned_from="something else")


def long_job(parts: Path, folder: Path) -> Job:
    return Job([experiment(parts, training={"epochs": 20})], folder, 1, (), code_version())


@pytest.fixture(scope="module")
def uninterrupted(parts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    (result,) = run_job(long_job(parts_folder, tmp_path_factory.mktemp("whole")))
    return result


def wait_for_epochs(folder: Path, count: int, stem: str = STEM) -> list[dict[str, Any]]:
    """What the unfinished log says of the epochs, once there are so many of them and a checkpoint."""
    for _ in range(6000):
        with suppress(OSError, ValueError):
            lines = (folder / f"{stem}.log.jsonl.part").read_text(encoding="utf-8").splitlines()
            epochs = [line for line in map(json.loads, lines) if "epoch" in line]
            if len(epochs) >= count and (folder / f"{stem}.checkpoint").exists():
                return epochs
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def worker_in(folder: Path) -> int:
    """The process that has the lock of the experiment's files."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with suppress(OSError):
            if link.readlink() == folder / f"{STEM}.lock":
                return int(link.parts[2])
    raise AssertionError("nobody works there")


def test_experiments_of_one_fit_train_once_and_a_failure_stops_no_other(
    parts_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "blemish")
    one, store = experiment(parts_folder), Store(tmp_path / "results")
    other = experiment(parts_folder, "other", model={"combine": "P4"})
    fewer, bad = one.tested(one.dataset.test[3:]), hopeless(one)
    failures = run_experiments([bad, one, other, fewer], store, tmp_path, Place(workers=2))
    assert list(failures) == [bad.fit] and "parts has 1 good image" in failures[bad.fit]
    told = sorted(text[6:] for text in caplog.messages if text.startswith("["))
    assert told[0] == f"bad: {failures[bad.fit]}" and told[1].startswith(f"{STEM}: image AUROC")
    assert len(told) == 2
    assert any(m.startswith(f"{STEM}: Fitting gtrans, preset improved, ") for m in caplog.messages)
    results = [store.read(each) for each in (one, other, fewer)]
    assert len({result.fit_seconds for result in results if result}) == 1
    assert scores(results[2]) == pytest.approx(scores(results[0])[3:], rel=1e-5)
    assert scores(results[1]) != scores(results[0]) and store.read(bad) is None
    assert {path.name for path in tmp_path.iterdir()} == {"bad.json", "results"}

    caplog.clear()
    assert run_experiments([one, other, fewer], store, tmp_path, Place(workers=1)) == {}
    assert caplog.messages == ["1 of 1 fits are done already."]


def test_ctrl_c_stops_all(parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        for stem in (STEM, "other"):
            wait_for_epochs(tmp_path, 2, stem)
        raise KeyboardInterrupt

    monkeypatch.setattr("blemish.experiments.run.wait", interrupted)
    (one,), store = long_job(parts_folder, tmp_path).experiments, Store(tmp_path / "results")
    other = experiment(parts_folder, "other", training={"epochs": 20, "seed": 1})
    with pytest.raises(KeyboardInterrupt):
        run_experiments([one, other], store, tmp_path, Place(workers=2))
    assert not store.folder.exists() and not list(tmp_path.glob("*.lock")), "both have stopped"
    assert len(list(tmp_path.glob("*.checkpoint"))) == 2


def test_whoever_is_killed_the_same_job_goes_on(
    parts_folder: Path, tmp_path: Path, uninterrupted: Result
) -> None:
    job = long_job(parts_folder, tmp_path)
    process = JobProcess(job)
    wait_for_epochs(tmp_path, 3)
    process.process.kill()
    assert "The process ended without a result (exit code -9)" in str(process.wait())

    code = "import pickle, sys; from blemish.experiments.process import JobProcess\n"
    code += "JobProcess(pickle.load(sys.stdin.buffer)).wait()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as caller:
        assert caller.stdin
        pickle.dump(job, caller.stdin)
        caller.stdin.close()
        trained = wait_for_epochs(tmp_path, 6)
        worker = worker_in(tmp_path)
        caller.kill()
    (result,) = run_job(job)  # once that worker has let go
    deadline = time.monotonic() + 30
    while Path(f"/proc/{worker}").exists():
        assert time.monotonic() < deadline, "it ends with its caller"
        time.sleep(0.05)
    count = len(trained) - 1  # the last one may be younger than the checkpoint
    clocks = [[(epoch["epoch"], epoch["seconds"]) for epoch in of[:count]] for of in (trained, result.curve)]
    assert clocks[0] == clocks[1], "it went on: not even the clock of these epochs began anew"
    assert scores(result) == scores(uninterrupted) and result.facts["machine"].endswith(", 1 thread")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_worker_on_ray_changes_nothing_and_a_failure_is_told(
    ray_here: None, uninterrupted: Result, parts_folder: Path, tmp_path: Path
) -> None:
    killed = []

    def kill_one() -> None:
        wait_for_epochs(tmp_path, 2)
        killed.append(os.kill(worker_in(tmp_path), signal.SIGKILL))

    (long,), store = long_job(parts_folder, tmp_path).experiments, Store(tmp_path / "results")
    bad = hopeless(long)
    killer = threading.Thread(target=kill_one)
    killer.start()
    failures = run_experiments([long, bad], store, tmp_path, Place("ray", workers=2))
    killer.join()
    assert killed and scores(store.read(long)) == scores(uninterrupted)
    assert list(failures) == [bad.fit] and "parts has 1 good image" in failures[bad.fit]


def test_more_than_the_cluster_has_is_refused(ray_here: None, parts_folder: Path, tmp_path: Path) -> None:
    for place, what in ((Place("ray", cpus=64), "64 CPUs and 0"), (Place("ray", gpus=1), "1 CPUs and 1")):
        with pytest.raises(BlemishError, match=f"asks for {what} GPUs, which no machine of the cluster has"):
            run_experiments([experiment(parts_folder)], Store(tmp_path / "results"), tmp_path, place)
    assert list(tmp_path.iterdir()) == []
