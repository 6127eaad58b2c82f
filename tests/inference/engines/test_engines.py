"""Every engine gives the scores of the model, and a choice that cannot be met is refused in a sentence."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import blemish
from blemish.cli.app import app
from blemish.errors import BlemishError, ConfigError
from blemish.inference.detector import Detector
from blemish.inference.engines import installed, open_engine
from tests.inference.engines.support import RUNS, needs_openvino
from tests.support import texture_files, textures


@pytest.mark.parametrize(("suffix", "name"), RUNS)
def test_every_engine_scores_as_the_model_does(exported: Path, suffix: str, name: str) -> None:
    original, metadata = open_engine(exported.with_suffix(".safetensors"))
    engine, same = open_engine(exported.with_suffix(suffix), engine=name)
    assert (engine.name, same) == (name, metadata)
    for count in (1, 3, 16, 3, 1):
        images = textures(count, seed=count)
        scores, maps = engine(images)
        expected, expected_maps = original(images)
        assert (scores.dtype, maps.dtype) == (np.float32, np.float32)
        np.testing.assert_allclose(scores, expected, rtol=1e-4)
        np.testing.assert_allclose(maps, expected_maps, rtol=1e-3, atol=1e-3 * float(expected.max()))
    assert engine.explain(textures(1)) is None


@pytest.mark.parametrize(("suffix", "name"), RUNS)
def test_earlier_results_stay_as_they_were(exported: Path, suffix: str, name: str) -> None:
    engine, _ = open_engine(exported.with_suffix(suffix), engine=name)
    scores, maps = engine(textures(2, seed=1))
    before = scores.copy(), maps.copy()
    engine(textures(2, seed=2))
    assert np.array_equal(scores, before[0]) and np.array_equal(maps, before[1])


def test_the_kind_of_file_decides_unless_something_is_said(exported: Path) -> None:
    openvino = ["openvino"] if find_spec("openvino") else []
    expected = {".safetensors": ["torch"], ".onnx": ["onnxruntime", *openvino], ".xml": openvino, ".txt": []}
    for suffix, names in expected.items():
        assert installed(exported.with_suffix(suffix)) == names
        assert not names or blemish.load(exported.with_suffix(suffix)).engine.name == names[0]


@pytest.mark.parametrize(
    ("suffix", "options", "words"),
    [
        (
            ".safetensors",
            {"engine": "openvino"},
            r"openvino runs \.onnx and \.xml files, not .*blemish export",
        ),
        (".safetensors", {"engine": "onnxruntime"}, r"onnxruntime runs \.onnx files, not "),
        (".onnx", {"engine": "torch"}, r"torch runs \.safetensors files, not .*leave out --engine"),
        (".onnx", {"engine": "jax"}, "no engine 'jax'; choose one of torch, onnxruntime, openvino"),
        (".onnx", {"threads": 0}, "whole number from 1 on, not 0; leave it out"),
        (".onnx", {"threads": 2.0}, "whole number from 1 on, not 2.0; leave it out"),
        (".onnx", {"threads": True}, "whole number from 1 on, not True; leave it out"),
        (".safetensors", {"device": "tensorrt"}, "torch has no device 'tensorrt'; choose --device auto, cpu"),
        (".onnx", {"device": "gpu"}, "onnxruntime has no device 'gpu'; choose --device auto, cpu"),
        (".onnx", {"batchnorm_at_test": "eval"}, "has its BatchNorm statistics built in"),
        (".safetensors", {"batchnorm_at_test": "eval"}, "gtrans has no BatchNorm whose statistics"),
        (".safetensors", {"batchnorm_at_test": "all"}, "is one of eval, instance, batch, not 'all'"),
    ],
)
def test_a_choice_that_cannot_be_met_is_refused(
    exported: Path, suffix: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Detector.load(exported.with_suffix(suffix), **options)


@pytest.mark.parametrize(
    ("suffix", "name", "advice"),
    [
        (".safetensors", "torch", r"train\]\", or use the model exported"),
        (".onnx", "openvino", r"openvino\]\", or choose --engine"),
    ],
)
def test_an_engine_that_is_not_installed_is_named(
    exported: Path, suffix: str, name: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"blemish.inference.engines.{name}", None)
    with pytest.raises(BlemishError, match=advice):
        open_engine(exported.with_suffix(suffix), engine=name)


@needs_openvino
def test_the_command_line_takes_engine_threads_and_device(exported: Path, tmp_path: Path) -> None:
    good = texture_files(tmp_path / "good", 2, seed=5)[0].parent
    bad = texture_files(tmp_path / "bad", 2, seed=6)[0].parent
    original = blemish.load(exported.with_suffix(".safetensors"))
    expected = [result.score for result in original.predict_many(sorted(good.iterdir()))]
    for suffix, engine in ((".onnx", "onnxruntime"), (".onnx", "openvino"), (".xml", "openvino")):
        file = str(exported.with_suffix(suffix))
        options = ["--engine", engine, "--threads", "1", "--device", "cpu", "--quiet"]
        predicted = CliRunner().invoke(app, ["predict", file, str(good), *options])
        scores = [float(row.split(",")[1]) for row in predicted.stdout.splitlines()[1:]]
        assert scores == pytest.approx(expected, rel=1e-4)
        evaluated = CliRunner().invoke(
            app, ["evaluate", file, "--good", str(good), "--bad", str(bad), "--json", *options]
        )
        images = {image["path"]: image["score"] for image in json.loads(evaluated.stdout)["images"]}
        assert [images[str(path)] for path in sorted(good.iterdir())] == pytest.approx(expected, rel=1e-4)
