"""From a model in PyTorch to an ONNX graph, and the description inside it."""

import logging
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from blemish.errors import BlemishError
from blemish.images.frame import Shape
from blemish.inference.engines.torch import TorchEngine
from blemish.inference.held_out_maps import to_text
from blemish.inference.model_file import HELD_OUT_MAPS_KEY, KEY, Metadata
from blemish.models.base import AnomalyModel
from blemish.models.gan.layers import BatchNorm2d
from blemish.models.settings import usual_settings

LARGEST = 2_000_000_000  # bytes of weights; protobuf's 2 GiB hold these with the graph and the description
TRACED = 3  # images that the model is traced with; the graph takes any number


@usual_settings()
def load_network(model: Path) -> AnomalyModel:
    """The model of a .safetensors file as it is exported: BatchNorm folded into convolutions."""
    network = TorchEngine.load(model, device="cpu")[0].model.to(memory_format=torch.contiguous_format)
    _fold_batchnorm(network)
    return network


@usual_settings()
def write_graph(network: AnomalyModel, out: Path, metadata: Metadata, *, whole: bool) -> None:
    """Write what `forward` computes as an .onnx file.

    It takes "images", uint8 [B, 3, H, W], and gives "score", float32 [B], and "anomaly_map", float32
    [B, H, W].

    Args:
        network: see `load_network`.
        out: the .onnx file to write.
        metadata: the description to put inside.
        whole: weights too large for one file are refused; else they lie in a second one beside it.

    Raises:
        BlemishError: the weights are too large for one file.
    """
    large = sum(tensor.nbytes for tensor in network.state_dict().values()) > LARGEST
    if large and whole:
        raise BlemishError(
            "The model is too large for an .onnx file, which holds 2 GB; fit it with fewer channels or "
            "images, or export to .xml without --int8."
        )
    program = traced(network, metadata.frame.shape, ["score", "anomaly_map"])
    program.model.metadata_props[KEY] = metadata.model_dump_json()
    if large:
        program.save(out, external_data=True)
    else:
        onnx.save(program.model_proto, out)  # PyTorch's own `save` takes two files from 1.5 GB on


@usual_settings()
def traced(network: nn.Module, shape: Shape, outputs: list[str] | None = None) -> torch.onnx.ONNXProgram:
    """The graph of a network that takes "images", uint8 [B, 3, H, W]."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.zeros(TRACED, 3, *shape, dtype=torch.uint8),),
            input_names=["images"],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program


def _fold_batchnorm(network: nn.Module) -> None:
    """Fold what PyTorch's exporter leaves: the layers of networks that `forward` runs twice."""
    for block in network.modules():
        if not isinstance(block, nn.Sequential):
            continue
        for index, (layer, norm) in enumerate(pairwise(list(block))):
            if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) or not isinstance(norm, BatchNorm2d):
                continue
            if norm.at_test == "eval":
                block[index] = fuse_conv_bn_eval(layer, norm, isinstance(layer, nn.ConvTranspose2d))
                block[index + 1] = nn.Identity()


def describe(path: Path, metadata: Metadata) -> None:
    """Replace the description in an .onnx file or an OpenVINO pair."""
    if path.suffix == ".xml":
        from blemish.export.openvino import describe_pair

        return describe_pair(path, metadata)
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, {KEY: metadata.model_dump_json()})
    onnx.save(graph, path)


def attach_maps(path: Path, cells: np.ndarray | None) -> None:
    """Put the packed held-out maps (`blemish.inference.held_out_maps`), if any, into such files."""
    if cells is None:
        return
    if path.suffix == ".xml":
        from blemish.export.openvino import attach_text

        return attach_text(path, HELD_OUT_MAPS_KEY, to_text(cells))
    graph = onnx.load(path, load_external_data=False)
    graph.metadata_props.add(key=HELD_OUT_MAPS_KEY, value=to_text(cells))
    onnx.save(graph, path)
