"""Fitting without training: one pass over the good images."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from blemish.errors import Interrupted
from blemish.models.base import TrainingFreeModel
from blemish.progress import progress_bar
from blemish.training.batches import in_order
from blemish.training.config import TrainingConfig
from blemish.training.machine import deterministic_kernels, peak_memory_mb


def learn_in_one_pass(
    model: TrainingFreeModel, images: np.ndarray, rows: np.ndarray, config: TrainingConfig
) -> dict[str, Any]:
    """Show `model` the good images once, in float32; it ends with what it remembers of them.

    Args:
        model, images: see `blemish.training.loop.train`.
        rows: of `images`, those to learn from.
        config: `seed` and `deterministic` are used.

    Returns:
        What it took, for the model file: "seconds", "peak_memory_mb" and "precision".

    Raises:
        Interrupted: Ctrl-C; nothing was written.
    """
    started = time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        with deterministic_kernels(config.deterministic), progress_bar("Fitting", len(rows)) as advance:

            def batches() -> Iterator[Tensor]:
                for batch in in_order(images, rows, device):
                    yield batch
                    advance(len(batch))
                advance(0, note="putting it together")

            model.learn(batches, len(rows), config.seed)
    except KeyboardInterrupt:
        raise Interrupted("Stopped; nothing was written. The same command starts afresh.") from None
    seconds = round(time.monotonic() - started, 1)
    return {"seconds": seconds, "peak_memory_mb": peak_memory_mb(), "precision": "fp32"}
