"""Every engine gives the scores of the model, and a choice that cannot be met is refused in a sentence."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import blemish
from blemish.errors import BlemishError, ConfigError
from blemish.inference.detector import Detector
from blemish.inference.engines import installed, open_engine
from tests.support import textures

no_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="the extra openvino is not installed")
RUNS = [
    (".safetensors", "torch"),
    (".onnx", "onnxruntime"),
    pytest.param(".onnx", "openvino", marks=no_openvino),
    pytest.param(".xml", "openvino", marks=no_openvino),
]


@pytest.mark.parametrize(("suffix", "name"), RUNS)
def test_every_engine_scores_as_the_model_does(exported: Path, suffix: str, name: str) -> None:
    original, metadata = open_engine(exported.with_suffix(".safetensors"))
    engine, same = open_engine(exported.with_suffix(suffix), engine=name)
    assert (engine.name, same) == (name, metadata)
    earlier = []
    for count in (1, 3, 16, 3, 1):
        images = textures(count, seed=count)
        scores, maps = engine(images)
        expected, expected_maps = original(images)
        assert (scores.dtype, maps.dtype) == (np.float32, np.float32)
        np.testing.assert_allclose(scores, expected, rtol=1e-4)
        np.testing.assert_allclose(maps, expected_maps, rtol=1e-3, atol=1e-3 * float(expected.max()))
        earlier.append((scores, scores.copy(), maps, maps.copy()))
    for scores, scores_then, maps, maps_then in earlier:
        assert np.array_equal(scores, scores_then) and np.array_equal(maps, maps_then), "results stay"
    assert engine.explain(textures(1)) is None


def test_the_kind_of_file_decides_unless_something_is_said(exported: Path) -> None:
    openvino = ["openvino"] if find_spec("openvino") else []
    expected = {".safetensors": ["torch"], ".onnx": ["onnxruntime", *openvino], ".xml": openvino, ".txt": []}
    for suffix, names in expected.items():
        assert installed(exported.with_suffix(suffix)) == names
        assert not names or blemish.load(exported.with_suffix(suffix)).engine.name == names[0]


@pytest.mark.parametrize(
    ("suffix", "options", "words"),
    [
        (".safetensors", {"engine": "openvino"}, r"openvino runs \.onnx and \.xml files, not .*blemish exp"),
        (".safetensors", {"engine": "onnxruntime"}, r"onnxruntime runs \.onnx files, not "),
        (".onnx", {"engine": "torch"}, r"torch runs \.safetensors files, not .*leave out --engine"),
        (".onnx", {"engine": "jax"}, "no engine 'jax'; choose one of: torch, onnxruntime, openvino"),
        (".onnx", {"threads": 0}, "whole number from 1 to .* on this machine, not 0; leave it out"),
        (".onnx", {"threads": 2.0}, "whole number from 1 to .* on this machine, not 2.0; leave it out"),
        (".safetensors", {"threads": 9999}, "from 1 to .* on this machine, not 9999; leave it out"),
        (".onnx", {"threads": True}, "whole number from 1 to .* on this machine, not True; leave it out"),
        (".safetensors", {"device": "tensorrt"}, "torch has no device 'tensorrt'; choose one of: auto, cpu"),
        (".onnx", {"device": "gpu"}, "onnxruntime has no device 'gpu'; choose one of: auto, cpu"),
        (".onnx", {"device": "cuda", "engine": "openvino"}, "openvino has no device 'cuda'; .* cpu, gpu"),
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
