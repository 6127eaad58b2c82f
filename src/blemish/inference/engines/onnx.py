"""Runs an .onnx model with ONNX Runtime; needs no torch."""

from pathlib import Path

import numpy as np
import onnxruntime

from blemish.errors import ConfigError, ModelFileError
from blemish.inference.engines.base import Engine
from blemish.inference.model_file import KEY, Metadata, parse_metadata

PROVIDERS = {
    "cuda": ("CUDAExecutionProvider",),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider"),
}
OPTIONS = {"CUDAExecutionProvider": {"use_tf32": "0"}}  # else it rounds the factors to TensorFloat-32


class OnnxEngine(Engine):
    """An exported graph on the CPU or an NVIDIA GPU."""

    name = "onnxruntime"

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session

    @classmethod
    def load(
        cls, path: Path, *, threads: int | None = None, device: str = "auto"
    ) -> tuple["OnnxEngine", Metadata]:
        """Open a model file that is there; see `blemish.inference.engines.open_engine`.

        Raises:
            ModelFileError: damaged, or not exported by Blemish.
            ConfigError: the device cannot be used here.
        """
        wanted = PROVIDERS.get(device, ())
        available = onnxruntime.get_available_providers()
        if missing := [name for name in wanted if name not in available]:
            raise ConfigError(
                f"The installed ONNX Runtime has no {missing[0]}; install onnxruntime-gpu in place of "
                "onnxruntime, or leave out --device."
            )
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoding needs the cores
        if threads is not None:
            options.intra_op_num_threads = threads
        providers = [(name, OPTIONS.get(name, {})) for name in (*wanted, "CPUExecutionProvider")]
        try:
            session = onnxruntime.InferenceSession(path, options, providers=providers)
        except Exception as error:  # its exceptions share no public base class
            if wanted:
                reason, *_ = str(error).split("\n")
                raise ConfigError(
                    f"ONNX Runtime could not open {path} with {wanted[0]} ({reason}); leave out --device."
                ) from error
            raise ModelFileError(f"{path} is damaged or no ONNX model; export or copy it again.") from error
        if missing := [name for name in wanted if name not in session.get_providers()]:  # it only warns
            raise ConfigError(
                f"ONNX Runtime could not start {missing[0]}; install the CUDA libraries that it asks for, or "
                "leave out --device."
            )
        text = session.get_modelmeta().custom_metadata_map.get(KEY)
        return cls(session), parse_metadata(path, text)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `blemish.inference.engines.base.Engine`."""
        batch = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        scores, maps = self.session.run(["score", "anomaly_map"], {"images": batch})
        return scores, maps
