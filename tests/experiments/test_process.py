"""A job in a process of its own: what it says and how it ends."""

import logging
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from blemish.errors import BlemishError
from blemish.experiments.experiment import code_version
from blemish.experiments.process import JobProcess
from blemish.experiments.worker import Job
from tests.experiments.support import experiment

pytestmark = pytest.mark.slow


def test_its_sentences_are_said_here_under_its_name(
    parts_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "blemish")
    job = Job([experiment(parts_folder)], tmp_path, 1, (), code_version())
    (result,) = JobProcess(job, "small").wait()
    assert result.fingerprint == job.experiments[0].fingerprint
    assert "small: Fitting gtrans, preset improved." in caplog.messages
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert any("random weights" in record.getMessage() for record in warned)


def test_a_process_that_dies_is_told(
    parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blemish.experiments.process.sys.executable", shutil.which("false"))
    with pytest.raises(BlemishError, match=r"ended without a result \(exit code 1\)"):
        JobProcess(Job([experiment(parts_folder)], tmp_path), "small").wait()


def test_what_a_library_prints_is_no_answer() -> None:
    code = (
        "import os; from blemish.experiments import process\n"
        "process.run_job = lambda job: [os.write(1, b'noise'), print('noise', flush=True)]\n"
        "process.main()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdin and running.stdout
        pickle.dump((None, logging.ERROR), running.stdin)
        running.stdin.flush()
        assert pickle.load(running.stdout) == ("done", [5, None])
        assert running.stdout.read() == b""


def test_its_peak_memory_is_its_own() -> None:
    ballast = np.ones(700 * 2**20, np.uint8)
    code = "from blemish.training.machine import peak_memory_mb; print(peak_memory_mb())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 10 < float(done.stdout) < 600 and ballast.all()
