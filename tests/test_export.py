"""The exported graph scores as the model does, and needs no torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import blemish
from blemish.datasets.generator import generate
from blemish.errors import BlemishError, ModelFileError
from blemish.export import export_onnx


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("data") / "parts", train=12, test=2, size=96)


@pytest.fixture(scope="module")
def models(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    model, exported = folder / "parts.safetensors", folder / "parts.onnx"
    small = ("frame.resize=64", "frame.crop=64", "training.batch_size=8")
    blemish.fit(parts, out=model, epochs=2, assignments=small, false_alarm_rate=0.4)
    assert export_onnx(model, exported) < 1e-3
    return model, exported


def test_exported_scores_maps_and_verdicts_are_the_models(models: tuple[Path, Path], parts: Path) -> None:
    images = sorted(parts.glob("test/*/*.png"))
    original = list(blemish.load(models[0]).predict_many(images))
    for batch_size in (1, 4):
        exported = list(blemish.load(models[1]).predict_many(images, batch_size=batch_size))
        for one, other in zip(original, exported, strict=True):
            assert other.score == pytest.approx(one.score, rel=1e-4)
            np.testing.assert_allclose(other.anomaly_map, one.anomaly_map, rtol=1e-3, atol=1e-3 * one.score)
            assert (other.p_value, other.is_anomalous) == (one.p_value, one.is_anomalous)


def test_the_description_travels_along(models: tuple[Path, Path]) -> None:
    original, exported = (blemish.load(path) for path in models)
    assert exported.metadata == original.metadata
    assert exported.calibration.to_dict() == original.calibration.to_dict()


GANS = {"anotrans": ("model.channels=16", "model.heads=2"), "ganomaly": ()}


@pytest.mark.parametrize("method", GANS)
def test_a_reconstructing_method_exports_and_agrees(method: str, parts: Path, tmp_path: Path) -> None:
    model, exported = tmp_path / "parts.safetensors", tmp_path / "parts.onnx"
    small = ("frame.resize=32", "training.batch_size=4", "training.validation_share=0.3", *GANS[method])
    blemish.fit(parts, out=model, method=method, epochs=1, assignments=small, false_alarm_rate=0.4)
    assert export_onnx(model, exported) < 1e-3
    images = sorted(parts.glob("test/*/*.png"))
    original, other = blemish.load(model), blemish.load(exported)
    assert other.metadata == original.metadata
    for batch_size in (1, 3):
        pairs = zip(
            original.predict_many(images), other.predict_many(images, batch_size=batch_size), strict=True
        )
        for one, same in pairs:
            assert same.score == pytest.approx(one.score, rel=1e-3)
            np.testing.assert_allclose(same.anomaly_map, one.anomaly_map, rtol=1e-3, atol=1e-5)


TRAINING_FREE = {"patchcore": (), "padim": ("model.channels=20",), "spade": ("model.neighbours=5",)}


@pytest.mark.parametrize("method", TRAINING_FREE)
def test_a_training_free_method_exports_and_agrees(method: str, parts: Path, tmp_path: Path) -> None:
    model, exported = tmp_path / "parts.safetensors", tmp_path / "parts.onnx"
    small = ("frame.resize=64", "frame.crop=64", *TRAINING_FREE[method])
    blemish.fit(parts, out=model, method=method, assignments=small, false_alarm_rate=0.4)
    assert export_onnx(model, exported) < 1e-3
    images = sorted(parts.glob("test/*/*.png"))
    original = list(blemish.load(model).predict_many(images))
    for batch_size in (1, 3):
        others = blemish.load(exported).predict_many(images, batch_size=batch_size)
        for one, same in zip(original, others, strict=True):
            assert same.score == pytest.approx(one.score, rel=1e-3)
            tolerance = 1e-3 * float(one.anomaly_map.max())
            np.testing.assert_allclose(same.anomaly_map, one.anomaly_map, rtol=1e-3, atol=tolerance)


def test_predicting_with_onnx_imports_no_torch(models: tuple[Path, Path], parts: Path) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['blemish', 'predict', {str(models[1])!r}, {str(parts / 'test' / 'hole')!r}]\n"
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


def test_refusals_write_nothing(models: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(BlemishError, match=r"must end in \.onnx"):
        export_onnx(models[0], tmp_path / "parts.bin")
    with pytest.raises(BlemishError, match="no folder"):
        export_onnx(models[0], tmp_path / "missing" / "parts.onnx")
    with pytest.raises(ModelFileError, match=r"no \.safetensors model"):
        export_onnx(models[1], tmp_path / "parts.onnx")
    (tmp_path / "foreign.onnx").write_bytes(b"not a graph")
    with pytest.raises(ModelFileError, match="damaged or no ONNX model"):
        blemish.load(tmp_path / "foreign.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["foreign.onnx"]
