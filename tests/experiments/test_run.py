"""Fits are made once, failures are told, and whatever stops the work, the same call goes on from there."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from blemish.experiments.result import Result, Store
from blemish.experiments.run import Place, run_experiments
from tests.experiments.support import STEM, experiment, run_long, scores, wait_for_epochs, worker_in

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HERE = Place(workers=1)


def test_experiments_of_one_fit_train_once(
    parts_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "blemish")
    one, store = experiment(parts_folder), Store(tmp_path / "results")
    other = experiment(parts_folder, "other", model={"combine": "P4"})
    fewer = one.tested(one.dataset.test[3:])
    assert run_experiments([one, other, fewer], store, tmp_path, HERE) == {}
    assert [text for text in caplog.messages if text.startswith("[")] == [
        text for text in caplog.messages if text.startswith(f"[1/1] {STEM}: image AUROC")
    ]
    results = [store.read(each) for each in (one, other, fewer)]
    assert len({result.fit_seconds for result in results if result}) == 1
    assert scores(results[2]) == pytest.approx(scores(results[0])[3:], rel=1e-5)
    assert scores(results[1]) != scores(results[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".{STEM}.lock", "results"]

    caplog.clear()
    assert run_experiments([one, other, fewer], store, tmp_path, HERE) == {}
    assert caplog.messages == ["1 of 1 fits are done already."]


def test_a_failure_is_told_and_the_others_go_on(
    parts_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, store = experiment(parts_folder), Store(tmp_path / "results")
    gone = replace(good.dataset.train[0], path=tmp_path / "gone.png")
    dataset = replace(good.dataset, train=[gone, *good.dataset.train])
    bad = replace(good, stem="bad", dataset=dataset, learned_from="something else")
    assert run_experiments([bad, good], store, tmp_path, Place(workers=2)) == {
        bad.fit: f"{gone.path} does not exist; check the path."
    }
    assert store.read(good) is not None and store.read(bad) is None
    assert any(text.endswith(f"bad: {gone.path} does not exist; check the path.") for text in caplog.messages)


@pytest.mark.parametrize("how", ["the worker is killed", "the caller is killed", "Ctrl-C"])
def test_the_same_call_goes_on_from_the_checkpoint(
    how: str, parts_folder: Path, tmp_path: Path, uninterrupted: Result
) -> None:
    caller = subprocess.Popen(
        [sys.executable, "-m", "tests.experiments.support", str(parts_folder), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # the background has it ignored
    )
    trained = wait_for_epochs(tmp_path, 3)
    worker = worker_in(tmp_path)
    if how == "Ctrl-C":
        caller.send_signal(signal.SIGINT)
    else:
        os.kill(worker if how == "the worker is killed" else caller.pid, signal.SIGKILL)
    told, _ = caller.communicate(timeout=60)
    if how == "the worker is killed":
        assert "The process ended without a result (exit code -9)" in told

    failures, result = run_long(parts_folder, tmp_path, HERE)
    assert not failures and result is not None
    assert not Path(f"/proc/{worker}").exists()
    before_the_last = len(trained) - 1  # the last one may be younger than the checkpoint
    assert result.curve[:before_the_last] == [
        {
            "epoch": epoch["epoch"],
            "loss": sum(epoch["losses"].values()),
            "validation_loss": epoch["validation_loss"],
            "seconds": epoch["seconds"],
        }
        for epoch in trained[:before_the_last]
    ], "it went on: not even the clock of these epochs began anew"
    assert scores(result) == scores(uninterrupted)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".{STEM}.lock", "results"]
