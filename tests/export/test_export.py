"""The exported file scores as the model does in every engine, and needs no torch."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

import blemish
from blemish.cli.app import app
from blemish.datasets import read_dataset
from blemish.errors import ModelFileError
from blemish.export import ExportReport, export_model, graph
from blemish.inference.engines import installed, read_metadata
from blemish.inference.model_file import PROBES, read_probes
from blemish.models.registry import METHODS
from blemish.training.config import RunConfig, build_config
from blemish.training.fit import fit
from tests.export.support import in_two_files, stray_files
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


def test_an_openvino_pair_agrees_even_from_a_graph_in_two_files(
    exported: tuple[Path, ExportReport],
    model: Path,
    parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(graph, "write_graph", in_two_files(exported[0]))
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
