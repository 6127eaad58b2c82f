"""The engines, and which of them runs a model file."""

import os
from importlib.util import find_spec
from pathlib import Path

from blemish.errors import BlemishError, ConfigError, choice
from blemish.extras import install_command
from blemish.inference.engines.base import Engine
from blemish.inference.model_file import Metadata, check_path, read_pair_metadata, read_weights_metadata

ENGINES = {".safetensors": ("torch",), ".onnx": ("onnxruntime", "openvino"), ".xml": ("openvino",)}
DEVICES = {
    "torch": ("auto", "cpu", "cuda"),
    "onnxruntime": ("auto", "cpu", "cuda", "tensorrt"),
    "openvino": ("auto", "cpu", "gpu"),
}
THREADS_PER_CORE = 8  # with thousands of them a model never opens
EXTRAS = {"torch": "train", "openvino": "openvino"}


def open_engine(
    path: Path, *, engine: str | None = None, threads: int | None = None, device: str = "auto"
) -> tuple[Engine, Metadata]:
    """Open a model file with an engine that runs files of its kind, the first one in `ENGINES` for None.

    Arguments as in `blemish.inference.detector.Detector.load`.

    Raises:
        ModelFileError: missing, foreign, damaged or of a newer format.
        ConfigError: no such engine, it does not run such files, or it cannot use the threads or the device.
        BlemishError: the engine is not installed.
    """
    check_path(path)
    name = engine or ENGINES[path.suffix.lower()][0]
    _check_choice(path, name, threads, device)
    try:
        if name == "torch":
            from blemish.inference.engines.torch import TorchEngine

            return TorchEngine.load(path, threads=threads, device=device)
        if name == "openvino":
            from blemish.inference.engines.openvino import OpenVinoEngine

            return OpenVinoEngine.load(path, threads=threads, device=device)
        from blemish.inference.engines.onnx import OnnxEngine

        return OnnxEngine.load(path, threads=threads, device=device)
    except ImportError as error:
        others = [other for other in installed(path) if other != name]
        install = install_command(EXTRAS[name]) if name in EXTRAS else f"pip install {name}"
        raise BlemishError(
            f"{path} needs {name}: {install}, or "
            + (f"choose --engine {others[0]}." if others else "use the model exported to .onnx.")
        ) from error


def read_metadata(path: Path) -> Metadata:
    """Read and check the description in a model file of any kind.

    Raises:
        ModelFileError: not there, not a model file of ours, damaged, or of a newer format.
    """
    check_path(path)
    if path.suffix.lower() == ".onnx":
        from blemish.inference.engines.onnx import OnnxEngine

        return OnnxEngine.load(path)[1]
    return read_pair_metadata(path) if path.suffix.lower() == ".xml" else read_weights_metadata(path)


def installed(path: Path) -> list[str]:
    """Names of the installed engines that run files of this kind, the preferred one first."""
    return [name for name in ENGINES.get(path.suffix.lower(), ()) if find_spec(name)]


def _check_choice(path: Path, name: str, threads: int | None, device: str) -> None:
    if name not in DEVICES:
        raise ConfigError(f"There is no engine {name!r}; {choice(name, DEVICES)}")
    if name not in ENGINES[path.suffix.lower()]:
        suffixes = " and ".join(suffix for suffix, names in ENGINES.items() if name in names)
        command = "fit" if name == "torch" else "export"
        raise ConfigError(
            f"The engine {name} runs {suffixes} files, not {path}; leave out --engine, or give such a file "
            f"(`blemish {command}` writes them)."
        )
    most = THREADS_PER_CORE * (os.cpu_count() or 1)
    if threads is not None and (type(threads) is not int or not 1 <= threads <= most):
        raise ConfigError(
            f"threads is a whole number from 1 to {most} on this machine, not {threads!r}; leave it out for "
            "the engine's own."
        )
    if device not in DEVICES[name]:
        raise ConfigError(f"The engine {name} has no device {device!r}; {choice(device, DEVICES[name])}")
