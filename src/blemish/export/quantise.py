"""From a float32 graph to one whose convolutions run on 8-bit integers."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_static,
)

# what may stand between two convolutions without leaving the integers
ACTIVATIONS = ("Relu", "LeakyRelu", "Clip")
FOLLOWERS = (*ACTIVATIONS, "MaxPool", "Add", "Concat")


def quantise(source: Path, out: Path, batches: Iterable[np.ndarray], *, first: bool) -> None:
    """Write a graph with 8-bit convolutions: weights per channel, activations over the range seen.

    Everything else stays in float32: normalisation, attention, distances, smoothing, score.

    Args:
        source: a float32 .onnx file of ours.
        out: the .onnx file to write.
        batches: uint8 [B, S, S, 3] images that give the ranges.
        first: also the convolutions that see the image itself, see `integer_nodes`.
    """
    prepared = source.with_name("prepared.onnx")
    logging.getLogger("onnxruntime").setLevel(logging.ERROR)
    with _no_second_voice():
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            out,
            _Reader(batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", *FOLLOWERS],
            nodes_to_quantize=integer_nodes(onnx.load(prepared).graph, first=first),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )


@contextmanager
def _no_second_voice() -> Iterator[None]:
    """Keep ONNX Runtime's `logging.warning` from setting logging up, which would say our sentences again."""
    silent = logging.NullHandler()
    logging.getLogger().addHandler(silent)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(silent)


def integer_nodes(graph: onnx.GraphProto, *, first: bool) -> list[str]:
    """Names of the convolutions and of what only joins, cuts off or pools their outputs.

    Without `first`, the convolutions that see the image itself and their activations are left out: OpenVINO
    2026.4 adds one channel's bias to all channels of some of them. Transposed convolutions are left out,
    because ONNX Runtime has no integer kernel for them.
    """
    constants = {tensor.name for tensor in graph.initializer} | {""}
    deep: set[str] = set()  # tensors that a convolution had a part in
    trunk: set[str] = set()  # those that only these nodes made
    seeing: set[str] = set()  # those of the convolutions that see the image
    names = []
    for node in graph.node:
        inputs = set(node.input) - constants
        is_deep = not inputs.isdisjoint(deep)
        if node.op_type == "Conv" or (node.op_type in FOLLOWERS and inputs <= trunk):
            trunk.update(node.output)
            is_first = not is_deep or (node.op_type in ACTIVATIONS and inputs <= seeing)
            if is_first:
                seeing.update(node.output)
            if first or not is_first:
                names.append(node.name)
        if is_deep or node.op_type == "Conv":
            deep.update(node.output)
    return names


class _Reader(CalibrationDataReader):
    def __init__(self, batches: Iterable[np.ndarray]) -> None:
        self.batches = iter(batches)

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"images": np.ascontiguousarray(batch.transpose(0, 3, 1, 2))}
