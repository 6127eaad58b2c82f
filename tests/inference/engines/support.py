"""The kinds of model files, and the engines that run them."""

from importlib.util import find_spec

import pytest

needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="the extra openvino is not installed"
)
RUNS = [
    (".safetensors", "torch"),
    (".onnx", "onnxruntime"),
    pytest.param(".onnx", "openvino", marks=needs_openvino),
    pytest.param(".xml", "openvino", marks=needs_openvino),
]
