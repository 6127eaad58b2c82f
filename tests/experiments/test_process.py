"""A job in a process of its own."""

import logging
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from blemish.errors import BlemishError
from blemish.experiments.process import JobProcess
from blemish.experiments.worker import Job
from tests.experiments.support import experiment

pytestmark = pytest.mark.slow


def test_a_process_that_cannot_start_is_told(
    parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blemish.experiments.process.sys.executable", shutil.which("false"))
    outcome = JobProcess(Job([experiment(parts_folder)], tmp_path)).wait()
    assert isinstance(outcome, BlemishError) and "ended without a result (exit code 1)" in str(outcome)


def test_what_a_library_prints_is_no_answer() -> None:
    code = "from blemish.experiments import process; process.main()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, stderr=-1) as running:
        assert running.stdin and running.stdout
        running.stdin.write(pickle.dumps((os.system, "echo noise", logging.ERROR)))
        running.stdin.flush()
        assert pickle.load(running.stdout) == ("done", 0)
        assert running.stdout.read() == b""


def test_its_peak_memory_is_its_own() -> None:
    ballast = np.ones(800 * 2**20, np.uint8)
    code = "from blemish.training.machine import peak_memory_mb; print(peak_memory_mb())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 50 < float(done.stdout) < 700 and ballast.all()
