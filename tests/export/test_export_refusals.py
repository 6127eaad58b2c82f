"""What is refused, or stopped, leaves the folder as it was."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import blemish
from blemish.errors import BlemishError, ModelFileError
from blemish.export import ExportReport, export_model, graph
from blemish.export.export import _publish
from blemish.export.parity import Parity, check
from tests.export.support import in_two_files, stray_files


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_a_graph_that_scores_otherwise_is_refused(
    suffix: str,
    model: Path,
    exported: tuple[Path, ExportReport],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if suffix == ".xml":
        pytest.importorskip("openvino")

    def write_another(model: Path, out: Path, metadata: object, **options: object) -> None:
        """Some noise on the weights of one convolution."""
        network = onnx.load(exported[0])
        name = next(node.input[1] for node in network.graph.node if node.op_type == "Conv")
        weight = next(tensor for tensor in network.graph.initializer if tensor.name == name)
        values = numpy_helper.to_array(weight)
        noise = np.random.default_rng(0).normal(1, 0.1, values.shape).astype(np.float32)
        weight.CopyFrom(numpy_helper.from_array(values * noise, name))
        onnx.save(network, out)

    monkeypatch.setattr(graph, "write_graph", write_another)
    out = tmp_path / f"model{suffix}"
    out.write_text("older")
    with pytest.raises(BlemishError, match=r"In \w+ the score of image \d in .* was not written"):
        export_model(model, out)
    assert stray_files(tmp_path) == [out.name] and out.read_text() == "older"


def row(precision: str, map_difference: float) -> Parity:
    return Parity("some engine", precision, 9, 0.0, map_difference, 0, None, 1.0, None, None, "a.png", "")


@pytest.mark.parametrize(("precision", "limit"), [("fp32", 1e-3), ("int8", 0.5)])
def test_other_maps_are_refused(precision: str, limit: float) -> None:
    check([row(precision, limit)], "m.onnx")
    for difference in (1.01 * limit, float("nan")):
        with pytest.raises(BlemishError, match=r"maps .* m\.onnx was not written"):
            check([row(precision, difference)], "m.onnx")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("too large", r"parts\.safetensors is too large for an \.onnx file, which holds 2 GB; fit"),
        ("in two files", "damaged or no ONNX model"),
        ("no room", r"model\.onnx cannot be written \(No space left"),
    ],
)
def test_what_is_not_one_whole_file_is_not_written(
    fault: str,
    words: str,
    model: Path,
    exported: tuple[Path, ExportReport],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if fault == "too large":
        monkeypatch.setattr(graph, "LARGEST", 1000)
    else:
        monkeypatch.setattr(graph, "write_graph", full if fault == "no room" else in_two_files(exported[0]))
    out = tmp_path / "model.onnx"
    out.write_text("older")
    with pytest.raises(BlemishError, match=words):
        export_model(model, out)
    assert stray_files(tmp_path) == [out.name] and out.read_text() == "older"


@pytest.mark.parametrize("lost", ["new.bin", "new.xml"])
def test_a_pair_is_replaced_as_one(lost: str, tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    older = {name: tmp_path / name for name in ("model.xml", "model.bin")}
    for name, path in older.items():
        path.write_text(f"older {name}")
        (folder / f"new{path.suffix}").write_text(f"new {name}")
    (folder / lost).rename(folder / "elsewhere")
    with pytest.raises(FileNotFoundError):
        _publish(folder / "new.xml", older["model.xml"])
    assert all(path.read_text() == f"older {name}" for name, path in older.items())
    (folder / "new.bin").write_text("new model.bin")
    (folder / "new.xml").write_text("new model.xml")
    _publish(folder / "new.xml", older["model.xml"])
    assert all(path.read_text() == f"new {name}" for name, path in older.items())


def test_weights_that_belong_to_nothing_are_not_overwritten(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    (tmp_path / "m.bin").write_text("of something else")
    with pytest.raises(BlemishError, match=r"m\.bin would be overwritten"):
        export_model(model, tmp_path / "m.xml")


def test_stopping_leaves_nothing(
    known_graph: None, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("blemish.export.export.score_all", stop)
    with pytest.raises(KeyboardInterrupt):
        export_model(model, tmp_path / "model.onnx")
    assert stray_files(tmp_path) == []


@pytest.mark.parametrize(
    ("out", "options", "words"),
    [
        ("parts.bin", {}, r"must end in \.onnx or \.xml"),
        ("parts.onnx", {"to": "openvino"}, r"--to openvino writes .* \.xml, not"),
        ("parts.onnx", {"to": "tflite"}, "no export to 'tflite'"),
        ("missing/parts.onnx", {}, "no folder"),
        ("parts.onnx", {"calibrate": "missing"}, "does not exist"),
        ("parts.onnx", {"int8": True}, "--int8 needs --calibrate DATA"),
        ("parts.xml", {}, r"blemish\[openvino\]"),
    ],
)
def test_refusals_write_nothing(
    model: Path,
    out: str,
    options: dict[str, Any],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("blemish.export.export.find_spec", lambda name: None if name == "openvino" else name)
    with pytest.raises(BlemishError, match=words):
        export_model(model, tmp_path / out, **options)
    assert stray_files(tmp_path) == []


def test_only_a_fitted_model_is_exported(exported: tuple[Path, ExportReport], tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no \.safetensors model"):
        export_model(exported[0], tmp_path / "parts.onnx")
    (tmp_path / "foreign.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelFileError, match="damaged or no ONNX model"):
        blemish.load(tmp_path / "foreign.onnx")
