"""What runs a model's graph."""

from collections.abc import Collection
from typing import Protocol

import numpy as np

from blemish.errors import ConfigError


class Engine(Protocol):
    """Anything that scores a batch of framed images, called from one thread at a time.

    Attributes:
        name: "torch", "onnxruntime" or "openvino".
    """

    name: str

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """uint8 [B, S, S, 3] RGB to scores float32 [B] and anomaly maps float32 [B, S, S]."""
        ...

    def explain(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Reconstructions uint8 [B, S, S, 3] and Grad-CAM maps float32 [B, S, S] in [0, 1] of a batch.

        None where there are none: the model reconstructs nothing, or the engine has no gradients.
        """
        return None


def check_device(name: str, device: str, known: Collection[str]) -> None:
    """Refuse a device that the engine of this name does not know.

    Raises:
        ConfigError: it is none of `known`.
    """
    if device not in known:
        *others, last = known
        raise ConfigError(
            f"The engine {name} has no device {device!r}; choose --device {', '.join(others)} or {last}."
        )
