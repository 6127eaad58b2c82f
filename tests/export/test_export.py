"""The exported file scores as the model does in every engine, and needs no torch."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

import blemish
from blemish.cli.app import app
from blemish.datasets import read_dataset
from blemish.errors import BlemishError, ModelFileError
from blemish.export import ExportReport, export_model, graph
from blemish.export.export import _publish
from blemish.export.parity import Parity, check
from blemish.inference.engines import installed, read_metadata
from blemish.inference.model_file import PROBES, read_probes
from blemish.models.registry import METHODS
from blemish.training.config import RunConfig, build_config
from blemish.training.fit import fit
from tests.support import BACKBONE

SMALL: dict[str, dict[str, Any]] = {
    "anotrans": {"frame": {"resize": 32}, "model": {"patch": 4, "channels": 16, "heads": 2}},
    "patchcore": {"model": {"backbone": BACKBONE}},
    "padim": {"model": {"backbone": BACKBONE, "channels": 20}},
    "spade": {"model": {"backbone": BACKBONE, "neighbours": 5}},
}


def small_run(method: str) -> RunConfig:
    """One epoch, or pass, over small images."""
    values = SMALL.get(method, {"frame": {"resize": 32}})
    training = {"validation_share": 0.4}
    if method not in ("patchcore", "padim", "spade"):
        training |= {"epochs": 1, "batch_size": 4, "precision": "fp32"}
    frame = {"frame": {"resize": 64, "crop": 64}} if "frame" not in values else {}
    return build_config(
        values={"method": method, "training": training, "false_alarm_rate": 0.4} | frame | values
    )


def stray_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def agrees(model: Path, out: Path, report: ExportReport, parts: Path) -> None:
    assert [row.engine for row in report.rows] == ["torch", *installed(out)]
    assert all(row.score_difference <= 1e-3 and not row.flips for row in report.rows)
    assert {row.images for row in report.rows} == {len(read_probes(model, read_metadata(model).frame.size))}
    original = blemish.load(model)
    images = sorted(parts.glob("test/*/*.png"))
    expected = list(original.predict_many(images))
    for engine in installed(out):
        other = blemish.load(out, engine=engine)
        assert other.metadata == original.metadata and other.metadata["precision"] == "fp32"
        for batch_size in (1, 3):
            results = other.predict_many(images, batch_size=batch_size)
            for one, same in zip(expected, results, strict=True):
                assert same.score == pytest.approx(one.score, rel=1e-3)
                assert (same.p_value, same.is_anomalous) == (one.p_value, one.is_anomalous)
                tolerance = 1e-3 * float(np.abs(one.anomaly_map).max())
                np.testing.assert_allclose(same.anomaly_map, one.anomaly_map, rtol=1e-3, atol=tolerance)
    network = onnx.load(out).graph
    convolved = {name for node in network.node if node.op_type.startswith("Conv") for name in node.output}
    folded = [node for node in network.node if node.op_type == "BatchNormalization"]
    assert not [node.name for node in folded if node.input[0] in convolved]


def test_the_default_method_agrees_in_every_engine(
    model: Path, exported: tuple[Path, ExportReport], parts: Path
) -> None:
    agrees(model, *exported, parts)


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(set(METHODS) - {"gtrans"}))
def test_every_other_method_does_so_too(
    method: str, parts: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = tmp_path_factory.mktemp("models") / f"{method}.safetensors"
    config = small_run(method)
    fit(read_dataset(parts), config, model, weights="random" if hasattr(config.model, "backbone") else None)
    out = tmp_path / "model.onnx"
    agrees(model, out, export_model(model, out), parts)
    assert stray_files(tmp_path) == ["model.onnx"]


def test_an_openvino_pair_agrees(known_graph: None, model: Path, parts: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    report = export_model(model, tmp_path / "model.xml")
    assert [row.engine for row in report.rows] == ["torch", "openvino"]
    assert stray_files(tmp_path) == ["model.bin", "model.xml"]
    image = next(parts.glob("test/hole/*.png"))
    one, other = blemish.load(model).predict(image), blemish.load(tmp_path / "model.xml").predict(image)
    assert other.score == pytest.approx(one.score, rel=1e-3)


def test_the_model_file_holds_framed_images_that_were_held_out(model: Path) -> None:
    from blemish.images.reading import frame_digest
    from blemish.training.batches import split_indices

    metadata = read_metadata(model)
    probes = read_probes(model, 64)
    digests = metadata.data["frames"]
    _, hold_out = split_indices(len(digests), 0.4, 0)
    assert [frame_digest(probe) for probe in probes] == [digests[index] for index in hold_out]


def without_probes(model: Path, out: Path) -> Path:
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(model, framework="pt") as file:
        description = file.metadata()
    tensors = load_file(model)
    del tensors[PROBES]
    save_file(tensors, out, description)
    return out


def test_an_older_file_is_verified_on_data(
    known_graph: None, model: Path, parts: Path, tmp_path: Path
) -> None:
    old, out = without_probes(model, tmp_path / "old.safetensors"), tmp_path / "old.onnx"
    with pytest.raises(ModelFileError, match=r"older version .* --calibrate"):
        export_model(old, out)
    report = export_model(old, out, calibrate=parts)
    evaluation = blemish.evaluate(old, parts)
    for row in report.rows:
        assert row.images == 16 + 10
        assert row.image_auroc == pytest.approx(evaluation.image["auroc"], abs=1e-6)
        assert evaluation.pixel is not None
        assert row.pixel_auroc == pytest.approx(evaluation.pixel["auroc"], abs=1e-4)


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

    def write_another(model: Path, out: Path, metadata: object) -> None:
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


def test_as_typed_it_prints_the_table(known_graph: None, model: Path, parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.onnx"
    done = CliRunner().invoke(app, ["export", str(model), str(out), "--calibrate", str(parts)])
    assert done.exit_code == 0, done.output
    header, *rows = done.stdout.splitlines()
    assert header.split()[:3] == ["engine", "precision", "images"]
    assert header.endswith("image AUROC  pixel AUROC")
    assert rows[0].split()[:3] == ["torch", "fp32", "26"]
    assert rows[-1] == f"Wrote {out}."


@pytest.mark.slow
def test_predicting_with_onnx_imports_no_torch(exported: tuple[Path, ExportReport], parts: Path) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['blemish', 'predict', {str(exported[0])!r}, {str(parts / 'test' / 'hole')!r}]\n"
        "import blemish.cli\n"
        "try: blemish.cli.main()\n"
        "except SystemExit: pass\n"
        "print('torch' in sys.modules, 'timm' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout.splitlines()[3:] == ["False False"]
