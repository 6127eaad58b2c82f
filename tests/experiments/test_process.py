"""How a comparison is put together and run: its entries, its processes, its measurement of speed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import blemish
from blemish.comparison import Comparison, compare
from blemish.comparison.entries import make_entries
from blemish.comparison.runs import fit_apart
from blemish.comparison.speed import scoring_speed
from blemish.comparison.text import duration
from blemish.datasets import Sample
from blemish.errors import BlemishError, ConfigError
from blemish.images.frame import Frame
from tests.comparison.test_run import SMALL
from tests.support import BACKBONE, texture_files


class TestEntries:
    def test_settings_go_where_they_belong(self) -> None:
        settings = ["model.channels=8", "training.batch_size=4", "frame.resize=64", "frame.crop=none"]
        padim, gtrans = make_entries(
            ["padim", "gtrans:paper"], assignments=settings, backbone=BACKBONE, weights="random", epochs=3
        )
        assert padim.config(1).model.model_dump()["channels"] == 8
        assert padim.config(1).training.seed == 1
        assert gtrans.config(0).training.epochs == 3 and gtrans.config(0).training.batch_size == 4
        assert gtrans.config(0).preset == "paper"
        assert {entry.config(0).frame for entry in (padim, gtrans)} == {Frame(resize=64, crop=None)}
        assert (gtrans.stem(0), gtrans.stem(2)) == ("gtrans-paper", "gtrans-paper-seed2")

    def test_methods_without_a_backbone_are_left_alone(self) -> None:
        ganomaly, padim = make_entries(["ganomaly", "padim"], backbone=BACKBONE, weights="random")
        assert ganomaly.weights is None and padim.weights == "random"
        assert padim.config(0).model.model_dump()["backbone"] == BACKBONE


class TestProcess:
    def test_an_error_is_one_sentence(self, tmp_path: Path) -> None:
        job = {
            "name": "none",
            "train": [str(tmp_path / "missing.png")] * 2,
            "config": {"method": "padim", "model__backbone": BACKBONE},
            "weights": "random",
            "out": str(tmp_path / "padim.safetensors"),
            "resume": False,
            "quiet": True,
        }
        with pytest.raises(BlemishError, match=r"^padim cannot be fitted: .*missing.png does not exist"):
            fit_apart("padim", job, lambda message: None)

    def test_the_peak_memory_is_its_own(self) -> None:
        ballast = np.ones(700 * 2**20, np.uint8)
        code = "from blemish.training.machine import peak_memory_mb; print(peak_memory_mb())"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert 10 < float(done.stdout) < 600 and ballast.all()

    def test_what_a_library_prints_is_no_answer(self) -> None:
        code = (
            "import os, sys; from blemish.experiments import process as apart\n"
            "apart.noise = lambda job, say: {'written': os.write(1, b'noise')}\n"
            "sys.argv = ['', 'blemish.experiments.process:noise']; apart.main()"
        )
        running = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert running.stdin and running.stdout
        running.stdin.write("{}\n")
        running.stdin.flush()
        assert json.loads(running.stdout.read()) == {"done": {"written": 5}}
        running.stdin.close()
        running.stdout.close()
        running.wait()

    def test_a_process_that_dies_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("blemish.experiments.process.sys.executable", shutil.which("false"))
        with pytest.raises(BlemishError, match="ended without a result"):
            fit_apart("padim", {"name": "incomplete"}, lambda message: None)


def test_interrupted_and_gone_on(tmp_path: Path, parts_folder: Path) -> None:
    command = [sys.executable, "-m", "blemish", "compare", str(parts_folder), "--out", str(tmp_path)]
    command += ["--methods", "padim,gtrans", "--backbone", BACKBONE, "--weights", "random"]
    command += [word for text in SMALL for word in ("--set", text)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    slow = [*command, "--set", "training.checkpoint_seconds=0", "--epochs", "2000"]
    running = subprocess.Popen(
        slow,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    checkpoint, deadline = tmp_path / "gtrans.checkpoint", time.monotonic() + 120
    while not checkpoint.exists():
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert (
        running.returncode == 1 and told.splitlines()[-1] == "Stopped; the same command goes on from there."
    )
    assert checkpoint.exists() and (tmp_path / "padim.safetensors").exists()
    assert not (tmp_path / "gtrans.safetensors").exists()
    padim = (tmp_path / "padim.safetensors").stat().st_mtime_ns

    shorter = [*command, "--epochs", "1", "--json"]  # other settings: begins afresh, padim stays
    done = subprocess.run(shorter, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "padim.safetensors").stat().st_mtime_ns == padim
    assert [row["label"] for row in json.loads(done.stdout)["methods"]] == ["padim", "gtrans"]
    assert not checkpoint.exists() and (tmp_path / "comparison.html").is_file()


class FakeDetector:
    batch_size = 4
    frame = Frame(resize=32, crop=None)
    clock = 0.0
    order: ClassVar[list[str]] = []

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def engine(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert images.shape == (4, 32, 32, 3)
        FakeDetector.clock += self.seconds
        FakeDetector.order.append("slow" if self.seconds > 1 else "fast")
        return np.zeros(4, np.float32), np.zeros((4, 32, 32), np.float32)


def test_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blemish.comparison.speed.time.perf_counter", lambda: FakeDetector.clock)
    samples = [Sample(path, 0) for path in texture_files(tmp_path, 3)]
    detectors = {"slow": FakeDetector(2.0), "fast": FakeDetector(0.25)}
    assert scoring_speed(detectors, samples) == pytest.approx({"slow": 2, "fast": 16})  # type: ignore[arg-type]
    assert FakeDetector.order == ["slow", "fast", *["slow", "fast", "fast"] * 5]


def test_durations() -> None:
    assert [duration(seconds) for seconds in (0.53, 9.4, 45, 200, 7500)] == [
        "0.53 s", "9.4 s", "45 s", "3 min 20 s", "2 h 5 min",
    ]  # fmt: skip


def test_public_names() -> None:
    assert blemish.compare is compare and blemish.Comparison is Comparison


def test_the_running_half_does_without_torch() -> None:
    code = "import sys, blemish.comparison, blemish.cli.compare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_preset_that_no_method_has() -> None:
    with pytest.raises(ConfigError, match="padim has no presets"):
        make_entries(["padim:paper"], weights="random")
