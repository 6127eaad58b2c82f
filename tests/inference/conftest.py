"""One small fitted model for all tests of the room, its exports, and new images."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from blemish.export import export_model
from blemish.inference.detector import Detector
from tests.support import small_fit, texture_files


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Detector, Path]:
    """A detector and its .safetensors file; tests only read it."""
    return small_fit(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def detector(fitted: tuple[Detector, Path]) -> Detector:
    return fitted[0]


@pytest.fixture(scope="session")
def exported(fitted: tuple[Detector, Path]) -> Path:
    """Its .onnx file; beside it the .xml and .bin files where OpenVINO is installed."""
    path = fitted[1].with_suffix(".onnx")
    export_model(fitted[1], path)
    if find_spec("openvino"):
        from blemish.export.openvino import convert

        convert(path)
    return path


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Seven images that the model has not seen."""
    return texture_files(tmp_path_factory.mktemp("new"), 7, seed=4)
