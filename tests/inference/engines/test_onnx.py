"""ONNX Runtime: threads, and a provider that is not there is named and never replaced by the CPU."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from blemish.errors import ConfigError, ModelFileError
from blemish.inference.engines import open_engine
from blemish.inference.engines.onnx import OnnxEngine

SWITCHES = (
    *("ORT_DISABLE_TELEMETRY", "RAY_USAGE_STATS_ENABLED", "WANDB_ERROR_REPORTING", "DO_NOT_TRACK"),
    "OMP_WAIT_POLICY",
)


def test_it_takes_the_threads_and_does_not_spin(exported: Path) -> None:
    for count in (1, 2):
        engine, _ = open_engine(exported, threads=count)
        assert isinstance(engine, OnnxEngine)
        options = engine.session.get_session_options()
        assert options.intra_op_num_threads == count
        assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize(
    ("device", "there", "missing"),
    [("cuda", "", "CUDA"), ("tensorrt", "", "Tensorrt"), ("tensorrt", "TensorrtExecutionProvider", "CUDA")],
)
def test_the_missing_provider_is_named(
    exported: Path, device: str, there: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [there, "CPUExecutionProvider"])
    with pytest.raises(ConfigError, match=f"has no {missing}ExecutionProvider; install onnxruntime-gpu"):
        open_engine(exported, device=device)


def test_a_provider_that_fails_is_not_told_as_damage(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fails(path: Path, options: Any, providers: list[Any]) -> None:
        asked.extend(providers)
        raise RuntimeError("no libcudnn\nTraceback")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fails)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(ConfigError, match=r"with CUDAExecutionProvider \(no libcudnn\); leave out --device"):
        open_engine(exported, device="cuda")
    assert asked == [("CUDAExecutionProvider", {"use_tf32": "0"}), ("CPUExecutionProvider", {})]
    with pytest.raises(ModelFileError, match="damaged or no ONNX model"):
        open_engine(exported, device="cpu")


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="its CUDA provider may start"
)
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_it_never_goes_on_with_the_cpu_unasked(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promised = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: promised)
    with pytest.raises(ConfigError, match="could not start CUDAExecutionProvider"):
        open_engine(exported, device="cuda")


@pytest.mark.slow
def test_a_prediction_reports_to_nobody(exported: Path, files: list[Path], tmp_path: Path) -> None:
    """ONNX Runtime opens a file in the home folder before it sends anything."""
    asked = {"GITHUB_ACTIONS", "XDG_CACHE_HOME", *SWITCHES}
    environment = {name: value for name, value in os.environ.items() if name not in asked}
    script = (
        "import ctypes, sys, blemish\n"
        "assert blemish.load(sys.argv[1]).predict(sys.argv[2]).score is not None\n"
        "native = ctypes.CDLL(None).getenv\n"
        "native.restype = ctypes.c_char_p\n"
        "print(*(native(name.encode()).decode() for name in sys.argv[3:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, exported, files[0], *SWITCHES],
        env=environment | {"HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1", "1", "false", "1", "PASSIVE"]  # the user's own word stays
    assert list(tmp_path.iterdir()) == []
