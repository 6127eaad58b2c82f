"""What runs a model's graph."""

from typing import Protocol

import numpy as np


class Engine(Protocol):
    """Anything that scores a batch of framed images, called from one thread at a time.

    Attributes:
        name: "torch", "onnxruntime" or "openvino".
    """

    name: str

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [B, H, W, 3] RGB to scores float32 [B] and anomaly maps float32 [B, H, W]."""
        ...

    def explain(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Reconstructions uint8 [B, H, W, 3] and Grad-CAM maps float32 [B, H, W] in [0, 1] of a batch.

        None where there are none: the model reconstructs nothing, or the engine has no gradients.
        """
        return None
