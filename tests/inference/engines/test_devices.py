"""The device an engine takes: the one asked for, or a refusal that names what is missing."""

from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch

from blemish.errors import ConfigError, ModelFileError
from blemish.inference.engines import open_engine
from tests.inference.engines.engined import model as model
from tests.inference.engines.engined import needs_openvino
from tests.support import textures


@needs_openvino
def test_openvino_refuses_threads_on_a_gpu(model: Path) -> None:
    with pytest.raises(ConfigError, match="--threads are of the CPU and --device is gpu; leave out one"):
        open_engine(model.with_suffix(".xml"), threads=2, device="gpu")


def test_torch_scores_without_tensorfloat_and_leaves_the_setting_alone(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, _ = open_engine(model, device="cpu")
    before, seen = torch.backends.cudnn.allow_tf32, []
    switch = getattr(torch.backends.cudnn, "conv", torch.backends.cudnn)

    def watched(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(getattr(switch, "fp32_precision", None) == "ieee" or not switch.allow_tf32)
        return images[:, 0, 0, 0], images[:, 0]

    monkeypatch.setattr(engine.model, "forward", watched)  # type: ignore[attr-defined]
    engine(textures(1))
    assert seen == [True] and torch.backends.cudnn.allow_tf32 == before


@pytest.mark.parametrize(
    ("suffix", "name", "device"),
    [
        (".safetensors", "torch", "tensorrt"),
        (".onnx", "onnxruntime", "gpu"),
        pytest.param(".onnx", "openvino", "cuda", marks=needs_openvino),
    ],
)
def test_a_device_of_another_engine_is_refused(model: Path, suffix: str, name: str, device: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} has no device '{device}'; choose --device auto, cpu"):
        open_engine(model.with_suffix(suffix), engine=name, device=device)


def test_torch_refuses_cuda_without_one(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no CUDA GPU"):
        open_engine(model, device="cuda")
    assert open_engine(model, device="cpu")[0].device.type == "cpu"  # type: ignore[attr-defined]


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_onnxruntime_names_the_missing_provider(
    device: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ConfigError, match=rf"(?i)no {device}ExecutionProvider; install onnxruntime-gpu"):
        open_engine(model.with_suffix(".onnx"), device=device)


def test_onnxruntime_names_the_provider_that_is_missing_and_no_other(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ["TensorrtExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    with pytest.raises(ConfigError, match="has no CUDAExecutionProvider"):
        open_engine(model.with_suffix(".onnx"), device="tensorrt")


def test_a_provider_that_fails_is_not_told_as_damage(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fails(path: Path, options: Any, providers: list[Any]) -> None:
        asked.extend(providers)
        raise RuntimeError("no libcudnn\nTraceback")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fails)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(ConfigError, match=r"with CUDAExecutionProvider \(no libcudnn\); leave out --device"):
        open_engine(model.with_suffix(".onnx"), device="cuda")
    assert asked == [("CUDAExecutionProvider", {"use_tf32": "0"}), ("CPUExecutionProvider", {})]
    with pytest.raises(ModelFileError, match="damaged or no ONNX model"):
        open_engine(model.with_suffix(".onnx"), device="cpu")


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="its CUDA provider may start"
)
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_onnxruntime_never_goes_on_with_the_cpu_unasked(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promised = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: promised)
    with pytest.raises(ConfigError, match="could not start CUDAExecutionProvider"):
        open_engine(model.with_suffix(".onnx"), device="cuda")


@needs_openvino
def test_openvino_refuses_a_gpu_that_is_not_there(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    monkeypatch.setattr(openvino.Core, "available_devices", ["CPU"])
    with pytest.raises(ConfigError, match="finds no GPU"):
        open_engine(model.with_suffix(".xml"), device="gpu")
