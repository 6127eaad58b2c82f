"""Runs an .onnx model with ONNX Runtime; needs no torch."""

from pathlib import Path

import numpy as np
import onnxruntime

from blemish.errors import ModelFileError
from blemish.modelfile import KEY, Metadata, check_path, parse_metadata


class OnnxEngine:
    """An exported graph on the CPU, in float32."""

    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self.session = session

    @classmethod
    def load(cls, path: Path) -> tuple["OnnxEngine", Metadata]:
        """Open a model file and read the description inside.

        Raises:
            ModelFileError: missing, damaged, or not exported by Blemish.
        """
        check_path(path)
        try:
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no public base class
            raise ModelFileError(f"{path} is damaged or no ONNX model; export or copy it again.") from error
        text = session.get_modelmeta().custom_metadata_map.get(KEY)
        return cls(session), parse_metadata(path, text)

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `blemish.engines.base.Engine`."""
        batch = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        scores, maps = self.session.run(["score", "anomaly_map"], {"images": batch})
        return scores, maps

    def explain(self, images: np.ndarray) -> None:
        """None: an exported graph has no gradients."""
