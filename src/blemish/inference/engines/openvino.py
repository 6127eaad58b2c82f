"""Runs an .onnx model or an OpenVINO pair (.xml and .bin) with OpenVINO, never in bfloat16; without torch."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from blemish.errors import ConfigError, ModelFileError
from blemish.inference.engines.base import Engine
from blemish.inference.model_file import KEY, Metadata, check_weights, parse_metadata, read_pair_metadata

# left to itself OpenVINO calculates in bfloat16 where the CPU can, and the scores change
PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}


@cache
def the_core() -> openvino.Core:
    """One for the process, which never ends.

    OpenVINO gives the main thread a stack for signals and frees it with the last model, perhaps from another
    thread: the next Ctrl-C would crash.
    """
    return openvino.Core()


class OpenVinoEngine(Engine):
    """An exported graph on the CPU or an Intel GPU.

    Attributes:
        model: the compiled graph; its batch size is open.
    """

    name = "openvino"

    def __init__(self, model: openvino.CompiledModel) -> None:
        self.model = model
        self.request = model.create_infer_request()

    @classmethod
    def load(
        cls, path: Path, *, threads: int | None = None, device: str = "auto"
    ) -> tuple["OpenVinoEngine", Metadata]:
        """Open a model file that is there; see `blemish.inference.engines.open_engine`.

        Raises:
            ModelFileError: damaged, or not exported by Blemish.
            ConfigError: the device is not there or goes without threads, or the file is an int8 one for ONNX
                Runtime.
        """
        core, target = the_core(), "GPU" if device == "gpu" else "CPU"
        if threads is not None and target != "CPU":
            raise ConfigError(f"--threads are of the CPU and --device is {device}; leave out one of them.")
        if target not in core.available_devices:
            raise ConfigError(f"OpenVINO finds no {target} that it can use here; leave out --device.")
        properties: dict[str, Any] = dict(PROPERTIES)
        if threads is not None:
            properties["INFERENCE_NUM_THREADS"] = threads
        try:
            graph, metadata = _read(core, path)
            model = core.compile_model(graph, target, properties)
        except RuntimeError as error:
            raise ModelFileError(
                f"{path} is damaged or does not fit its .bin file; export or copy the model again."
                if path.suffix.lower() == ".xml"
                else f"OpenVINO cannot run {path}; export it again, or leave out --engine."
            ) from error
        return cls(model), metadata

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `blemish.inference.engines.base.Engine`."""
        batch = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        results = self.request.infer({"images": batch}, share_inputs=True)
        return results["score"], results["anomaly_map"]


def _read(core: openvino.Core, path: Path) -> tuple[openvino.Model, Metadata]:
    if path.suffix.lower() == ".xml":
        metadata = read_pair_metadata(path)
        check_weights(path)
        return core.read_model(path), metadata
    graph = core.read_model(path)
    place = ["framework", KEY]  # where OpenVINO keeps what an .onnx file says of itself
    text = graph.get_rt_info(place).astype(str) if graph.has_rt_info(place) else None
    metadata = parse_metadata(path, text)
    if metadata.precision == "int8":
        raise ConfigError(
            f"{path} has integers made for ONNX Runtime, on which OpenVINO gives other scores; leave out "
            "--engine, or export an .xml file."
        )
    return graph, metadata
