"""The exported file scores as the model does in every engine, and needs no torch."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import blemish
from blemish.errors import BlemishError, ConfigError, ModelFileError
from blemish.export import ExportReport, _publish, export_model, graph
from blemish.export.parity import Parity, check
from blemish.inference.engines import installed, read_metadata
from blemish.inference.model_file import PROBES, read_probes
from blemish.models.registry import METHODS

SMALL = {
    "gtrans": ("frame.resize=64", "frame.crop=64", "model.backbone=test_resnet", "model.token_dim=16"),
    "anotrans": ("frame.resize=32", "model.channels=16", "model.heads=2"),
    "patchcore": ("frame.resize=64", "frame.crop=64"),
    "padim": ("frame.resize=64", "frame.crop=64", "model.channels=20"),
    "spade": ("frame.resize=64", "frame.crop=64", "model.neighbours=5"),
}
GAN = ("frame.resize=32",)
ENGINES = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(scope="module")
def fitted(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("models")

    def fit(method: str) -> Path:
        out = folder / f"{method}.safetensors"
        if not out.exists():
            small = [*SMALL.get(method, GAN), "training.validation_share=0.4"]
            free = method in ("patchcore", "padim", "spade")
            if not free:
                small += ["training.batch_size=4", "training.precision=fp32"]
            weights = "random" if method == "gtrans" else None
            epochs = None if free else 1
            blemish.fit(
                parts,
                out=out,
                method=method,
                epochs=epochs,
                assignments=small,
                weights=weights,
                false_alarm_rate=0.4,
            )
        return out

    return fit


@pytest.fixture(scope="module")
def model(fitted: Callable[[str], Path]) -> Path:
    return fitted("gtrans")


@pytest.fixture(scope="module")
def exported(model: Path) -> tuple[Path, ExportReport]:
    out = model.with_suffix(".onnx")
    return out, export_model(model, out)


def stray_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@ENGINES
def test_every_method_exports_and_agrees_in_every_engine(
    method: str, fitted: Callable[[str], Path], parts: Path, tmp_path: Path
) -> None:
    model, out = fitted(method), tmp_path / "model.onnx"
    report = export_model(model, out)
    assert [row.engine for row in report.rows] == ["torch", *installed(out)]
    assert all(row.score_difference <= 1e-3 and not row.flips for row in report.rows)
    assert {row.images for row in report.rows} == {len(read_probes(model, read_metadata(model).frame.size))}
    original = blemish.load(model)
    images = sorted(parts.glob("test/*/*.png"))
    expected = list(original.predict_many(images))
    for engine in installed(out):
        other = blemish.load(out, engine=engine)
        assert other.metadata == original.metadata
        for batch_size in (1, 3):
            results = other.predict_many(images, batch_size=batch_size)
            for one, same in zip(expected, results, strict=True):
                assert same.score == pytest.approx(one.score, rel=1e-3)
                tolerance = 1e-3 * float(np.abs(one.anomaly_map).max())
                np.testing.assert_allclose(same.anomaly_map, one.anomaly_map, rtol=1e-3, atol=tolerance)
    assert stray_files(tmp_path) == ["model.onnx"]
    network = onnx.load(out).graph
    convolved = {name for node in network.node if node.op_type.startswith("Conv") for name in node.output}
    folded = [node for node in network.node if node.op_type == "BatchNormalization"]
    assert not [node.name for node in folded if node.input[0] in convolved]


def test_verdicts_and_description_travel_along(
    model: Path, exported: tuple[Path, ExportReport], parts: Path
) -> None:
    images = sorted(parts.glob("test/*/*.png"))
    one, other = blemish.load(model), blemish.load(exported[0])
    assert other.calibration.to_dict() == one.calibration.to_dict()
    assert other.metadata["precision"] == "fp32"
    for first, second in zip(one.predict_many(images), other.predict_many(images), strict=True):
        assert (first.p_value, first.is_anomalous) == (second.p_value, second.is_anomalous)


def test_an_openvino_pair_agrees(model: Path, parts: Path, tmp_path: Path) -> None:
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


def test_an_older_file_is_verified_on_data(model: Path, parts: Path, tmp_path: Path) -> None:
    old, out = without_probes(model, tmp_path / "old.safetensors"), tmp_path / "old.onnx"
    with pytest.raises(ModelFileError, match=r"older version .* --calibrate"):
        export_model(old, out)
    report = export_model(old, out, calibrate=parts)
    evaluation = blemish.evaluate(old, parts)
    for row in report.rows:
        assert row.images == 12 + 10
        assert row.image_auroc == pytest.approx(evaluation.image["auroc"], abs=1e-6)
        assert evaluation.pixel is not None
        assert row.pixel_auroc == pytest.approx(evaluation.pixel["auroc"], abs=1e-4)


def sabotage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some noise on the weights of one convolution."""
    write = graph.write_graph

    def write_another(model: Path, out: Path, metadata: object) -> None:
        write(model, out, metadata)  # type: ignore[arg-type]
        network = onnx.load(out)
        name = next(node.input[1] for node in network.graph.node if node.op_type == "Conv")
        weight = next(tensor for tensor in network.graph.initializer if tensor.name == name)
        values = numpy_helper.to_array(weight)
        noise = np.random.default_rng(0).normal(1, 0.1, values.shape).astype(np.float32)
        weight.CopyFrom(numpy_helper.from_array(values * noise, name))
        onnx.save(network, out)

    monkeypatch.setattr(graph, "write_graph", write_another)


@pytest.mark.parametrize("suffix", [".onnx", ".xml"])
def test_a_graph_that_scores_otherwise_is_refused(
    suffix: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if suffix == ".xml":
        pytest.importorskip("openvino")
    sabotage(monkeypatch)
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


def test_stopping_leaves_nothing(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("blemish.export.score_all", stop)
    with pytest.raises(KeyboardInterrupt):
        export_model(model, tmp_path / "model.onnx")
    assert stray_files(tmp_path) == []


def test_refusals_write_nothing(
    model: Path, exported: tuple[Path, ExportReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "parts.onnx"
    with pytest.raises(BlemishError, match=r"must end in \.onnx or \.xml"):
        export_model(model, tmp_path / "parts.bin")
    with pytest.raises(ConfigError, match=r"--to openvino writes .* \.xml, not"):
        export_model(model, out, to="openvino")
    with pytest.raises(ConfigError, match="no export to 'tflite'"):
        export_model(model, out, to="tflite")
    with pytest.raises(BlemishError, match="no folder"):
        export_model(model, tmp_path / "missing" / "parts.onnx")
    with pytest.raises(ModelFileError, match=r"no \.safetensors model"):
        export_model(exported[0], out)
    with pytest.raises(BlemishError, match="does not exist"):
        export_model(model, out, calibrate=tmp_path / "missing")
    monkeypatch.setattr("blemish.export.find_spec", lambda name: None if name == "openvino" else name)
    with pytest.raises(BlemishError, match=r"blemish\[openvino\]"):
        export_model(model, out.with_suffix(".xml"))
    (tmp_path / "foreign.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelFileError, match="damaged or no ONNX model"):
        blemish.load(tmp_path / "foreign.onnx")
    assert stray_files(tmp_path) == ["foreign.onnx"]


def test_as_typed_it_prints_the_table(model: Path, parts: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "blemish", "export", str(model), str(tmp_path / "m.onnx")]
    result = subprocess.run(
        [*command, "--calibrate", str(parts)], capture_output=True, text=True, timeout=120, check=True
    )
    header, *rows = result.stdout.splitlines()
    assert header.split()[:3] == ["engine", "precision", "images"]
    assert header.endswith("image AUROC  pixel AUROC")
    assert rows[0].split()[:3] == ["torch", "fp32", "22"]
    assert rows[-1] == f"Wrote {tmp_path / 'm.onnx'}."


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
    *rows, last = result.stdout.splitlines()
    assert len(rows) == 3
    assert last == "False False"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from blemish.datasets.drawn import generate

    return generate(tmp_path_factory.mktemp("data") / "parts", train=12, test=2, size=96)
