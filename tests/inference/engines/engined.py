"""A model in the files of all engines."""

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blemish.cli.app import app
from tests.support import small_fit

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="the extra openvino is not installed"
)
RUNS = [
    (".safetensors", "torch"),
    (".onnx", "onnxruntime"),
    pytest.param(".onnx", "openvino", marks=needs_openvino),
    pytest.param(".xml", "openvino", marks=needs_openvino),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .safetensors model with its .onnx, .xml and .bin files beside it."""
    path = small_fit(tmp_path_factory.mktemp("model"), false_alarm_rate=0.4)[1]
    result = CliRunner().invoke(app, ["export", str(path), str(path.with_suffix(".onnx"))])
    assert result.exit_code == 0, result.output
    if importlib.util.find_spec("openvino"):
        from blemish.export.openvino import convert

        convert(path.with_suffix(".onnx"))
    return path


@pytest.fixture
def pair(model: Path, tmp_path: Path) -> Path:
    """An .xml file with its .bin to spoil."""
    for suffix in (".xml", ".bin"):
        (tmp_path / f"copy{suffix}").write_bytes(model.with_suffix(suffix).read_bytes())
    return tmp_path / "copy.xml"
