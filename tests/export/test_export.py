"""The exported file scores as the model does in every engine, and needs no torch."""

import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import blemish
from blemish.cli.app import app
from blemish.datasets import read_dataset
from blemish.errors import BlemishError, ModelFileError
from blemish.export import ExportReport, export_model, graph
from blemish.export.parity import Parity, check
from blemish.export.probes import dataset_probes
from blemish.images.frame import Frame
from blemish.images.reading import load_frame
from blemish.inference.engines import installed, read_metadata
from blemish.inference.model_file import BESIDE_WEIGHTS, publish_model, read_probes
from blemish.models.registry import METHODS
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.support import BACKBONE

Exported = tuple[Path, ExportReport]

SMALL: dict[str, dict[str, Any]] = {
    "anotrans": {"patch": 4, "channels": 4, "heads": 2, "skip": "identity"},
    "patchcore": {"backbone": BACKBONE},
    "padim": {"backbone": BACKBONE, "channels": 20},
    "rad": {"backbone": BACKBONE, "memory": 20},
    "spade": {"backbone": BACKBONE, "neighbours": 5},
}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def agrees(model: Path, out: Path, report: ExportReport, parts: Path) -> None:
    assert [row.engine for row in report.rows] == ["torch", *installed(out)]
    assert all(row.score_difference <= 1e-3 and not row.flips for row in report.rows)
    assert {row.images for row in report.rows} == {len(read_probes(model, read_metadata(model).frame.shape))}
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


def test_the_default_method_agrees_in_every_engine(model: Path, exported: Exported, parts: Path) -> None:
    agrees(model, *exported, parts)


@pytest.fixture
def in_two_files(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports of the model take the known graph as PyTorch saves a large one."""

    def write(model: Path, out: Path, metadata: object, **options: object) -> None:
        onnx.save(onnx.load(exported[0]), out, save_as_external_data=True, location="weights.data")

    monkeypatch.setattr(graph, "write_graph", write)


def test_an_openvino_pair_agrees(in_two_files: None, model: Path, parts: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    agrees(model, tmp_path / "model.xml", export_model(model, tmp_path / "model.xml"), parts)
    assert names(tmp_path) == ["model.bin", "model.xml"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "fields"),
    [
        *((method, SMALL.get(method, {})) for method in sorted(set(METHODS) - {"gtrans"})),
        ("rad", {"backbone": "test_vit", "memory": 20}),
    ],
)
def test_every_other_method_does_so_too(
    method: str, fields: dict[str, Any], parts: Path, tmp_path: Path
) -> None:
    values = {"method": method, "model": fields, "frame": {"resize": 32, "crop": 32}}
    training: dict[str, Any] = {} if method == "rad" else {"validation_share": 0.4}
    if "backbone" not in fields:
        training |= {"epochs": 1, "batch_size": 4, "precision": "fp32"}
    config = build_config(values=values | {"training": training, "false_alarm_rate": 0.4})
    model, out = tmp_path / "model.safetensors", tmp_path / "model.onnx"
    fit(read_dataset(parts), config, model, weights="random" if hasattr(config.model, "backbone") else None)
    agrees(model, out, export_model(model, out), parts)
    network = onnx.load(out).graph
    convolved = {name for node in network.node if node.op_type.startswith("Conv") for name in node.output}
    kept = [node for node in network.node if node.op_type == "BatchNormalization"]
    assert not [node.name for node in kept if node.input[0] in convolved], "it is folded"


def test_good_images_are_shown_mirrored_for_a_memory_may_hold_them(parts: Path) -> None:
    data, frame = read_dataset(parts), Frame(resize=64, crop=None)
    probes = dataset_probes(data, frame)
    (mirrored,) = [n for n, name in enumerate(probes.names) if name == str(data.train[0].path)]
    assert np.array_equal(probes.load(mirrored), load_frame(data.train[0].path, frame)[:, ::-1])
    assert np.array_equal(probes.load(len(probes) - 1), load_frame(data.test[-1].path, frame))


def test_an_older_file_is_verified_on_data(
    known_graph: None, model: Path, parts: Path, tmp_path: Path
) -> None:
    old, out = tmp_path / "old.safetensors", tmp_path / "old.onnx"
    with safe_open(model, framework="pt") as file:
        tensors = {name: tensor for name, tensor in load_file(model).items() if name not in BESIDE_WEIGHTS}
        save_file(tensors, old, file.metadata())
    with pytest.raises(ModelFileError, match=r"older version .* --calibrate"):
        export_model(old, out)
    report, evaluation = export_model(old, out, calibrate=parts), blemish.evaluate(old, parts)
    assert evaluation.pixel is not None
    for row in report.rows:
        assert row.images == 16 + 10
        assert row.image_auroc == pytest.approx(evaluation.image["auroc"], abs=1e-6)
        assert row.pixel_auroc == pytest.approx(evaluation.pixel["auroc"], abs=1e-4)


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_whatever_goes_wrong_an_older_file_stays(
    suffix: str, model: Path, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if suffix == ".xml":
        pytest.importorskip("openvino")

    def write_another(model: Path, out: Path, metadata: object, **options: object) -> None:
        """One with the channels of a convolution in another order."""
        network = onnx.load(exported[0])
        name = next(node.input[1] for node in network.graph.node if node.op_type == "Conv")
        weight = next(tensor for tensor in network.graph.initializer if tensor.name == name)
        weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight)[::-1].copy(), name))
        onnx.save(network, out)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(graph, "write_graph", write_another)
    out = tmp_path / f"model{suffix}"
    out.write_text("older")
    with pytest.raises(BlemishError, match=r"In \w+ the score of image \d in .* was not written"):
        export_model(model, out)
    monkeypatch.setattr("blemish.export.export.score_all", stop)
    with pytest.raises(KeyboardInterrupt):
        export_model(model, out)
    assert names(tmp_path) == [out.name] and out.read_text() == "older"


def test_what_is_not_one_whole_onnx_file_is_refused(
    in_two_files: None, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model.onnx"
    out.write_text("older")
    with pytest.raises(ModelFileError, match="damaged or no ONNX model"):
        export_model(model, out)
    monkeypatch.undo()
    monkeypatch.setattr(graph, "LARGEST", 1000)
    with pytest.raises(BlemishError, match=r"The model is too large for an \.onnx file, which holds 2 GB"):
        export_model(model, out)
    assert names(tmp_path) == [out.name] and out.read_text() == "older"


ALIKE = Parity("an engine", "fp32", 9, 0.0, 0.0, 0, None, 1.0, 0.9, None, "a.png", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score_difference": 1.01e-3}, "the score of a.png differs by 0.001"),
        ({"map_difference": 1.01e-3}, "the anomaly maps differ by 0.001"),
        ({"map_difference": float("nan")}, "the anomaly maps differ by nan"),
        ({"flips": 1, "flipped": "b.png"}, "the verdict on b.png is another"),
        ({"precision": "int8", "map_difference": 0.51}, "integers change the anomaly maps by 0.51"),
    ],
)
def test_what_is_not_alike_is_refused(change: dict[str, Any], words: str) -> None:
    check([ALIKE, replace(ALIKE, score_difference=1e-3), replace(ALIKE, precision="int8", flips=9)], "m.onnx")
    with pytest.raises(BlemishError, match=rf"In an engine {words}.* m\.onnx was not written"):
        check([ALIKE, replace(ALIKE, **change)], "m.onnx")


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        ({"flips": 1}, "changes 1 of 9 verdicts"),
        ({"image_auroc": 0.8}, "loses image AUROC, 0.900 to 0.800"),
        ({"image_auroc": None, "rank_correlation": 0.5}, "(rank correlation 0.50)"),
    ],
)
def test_integers_that_judge_worse_are_remarked_on(change: dict[str, Any], remark: str) -> None:
    integers = replace(ALIKE, precision="int8")
    assert ExportReport(Path("m.onnx"), [ALIKE, integers]).remarks == []
    (told,) = ExportReport(Path("m.onnx"), [ALIKE, replace(integers, **change)]).remarks
    assert remark in told and told in str(ExportReport(Path("m.onnx"), [ALIKE, replace(integers, **change)]))


@pytest.mark.parametrize("lost", [".bin", ".xml"])
def test_a_pair_is_replaced_as_one(lost: str, tmp_path: Path) -> None:
    out, new = tmp_path / "model.xml", tmp_path / "new.xml"
    for stem, suffix in product(("model", "new"), (".xml", ".bin")):
        (tmp_path / f"{stem}{suffix}").write_text(f"{stem}{suffix}")
    new.with_suffix(lost).rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        publish_model(new, out)
    assert [out.with_suffix(suffix).read_text() for suffix in (".xml", ".bin")] == ["model.xml", "model.bin"]
    for suffix in (".xml", ".bin"):
        new.with_suffix(suffix).write_text(f"new{suffix}")
    publish_model(new, out)
    assert [out.with_suffix(suffix).read_text() for suffix in (".xml", ".bin")] == ["new.xml", "new.bin"]


@pytest.mark.parametrize(
    ("out", "options", "words"),
    [
        ("parts.bin", {}, r"must end in \.onnx or \.xml"),
        ("parts.onnx", {"to": "openvino"}, r"--to openvino writes .* \.xml, not"),
        ("parts.onnx", {"to": "tflite"}, "no export to 'tflite'"),
        ("missing/parts.onnx", {}, "no folder"),
        ("parts.onnx", {"calibrate": "missing"}, "does not exist"),
        ("parts.onnx", {"int8": True}, "--int8 needs --calibrate DATA"),
        ("parts.xml", {}, r"\[openvino\]"),
        ("m.xml", {}, r"m\.bin would be overwritten"),
        ("parts.onnx", {"model": Path("parts.onnx")}, r"no \.safetensors model"),
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
    (tmp_path / "m.bin").write_text("of something else")
    lacking = "openvino" if out == "parts.xml" else ""
    monkeypatch.setattr("blemish.export.export.find_spec", lambda name: None if name == lacking else name)
    with pytest.raises(BlemishError, match=words):
        export_model(**{"model": model, "out": tmp_path / out} | options)
    assert names(tmp_path) == ["m.bin"]


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
def test_predicting_with_onnx_imports_no_torch(exported: Exported, parts: Path) -> None:
    code = (
        "import sys, blemish.cli\n"
        f"sys.argv = ['blemish', 'predict', {str(exported[0])!r}, {str(parts / 'test' / 'hole')!r}]\n"
        "try: blemish.cli.main()\n"
        "except SystemExit: print('torch' in sys.modules, 'timm' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[3:] == ["False False"]
