"""Drawn parts, a small model fitted to them, and its export; tests only read them."""

import shutil
from pathlib import Path

import pytest

from blemish.datasets import read_dataset
from blemish.datasets.drawn import generate
from blemish.export import ExportReport, export_model, graph
from blemish.training.fit import fit
from tests.support import small_config


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("data") / "parts", train=16, test=2, size=64)


@pytest.fixture(scope="session")
def model(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "parts.safetensors"
    config = small_config(false_alarm_rate=0.3, training={"validation_share": 0.4})
    fit(read_dataset(parts), config, out, weights="random")
    return out


@pytest.fixture(scope="session")
def exported(model: Path) -> tuple[Path, ExportReport]:
    """The .onnx file, and what was compared."""
    out = model.with_suffix(".onnx")
    with pytest.MonkeyPatch.context() as patch:  # PyTorch saves large models in two files; ours stay one
        patch.setattr("torch.onnx._internal.exporter._onnx_program._LARGE_MODEL_THRESHOLD", 0, raising=False)
        return out, export_model(model, out)


@pytest.fixture
def known_graph(exported: tuple[Path, ExportReport], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports of the model take the graph that is known already, instead of tracing it again."""
    monkeypatch.setattr(
        graph, "write_graph", lambda network, out, *rest, **options: shutil.copy(exported[0], out)
    )
