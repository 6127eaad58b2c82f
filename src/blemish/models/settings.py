"""What a caller has set in PyTorch does not change what Blemish computes, and stays as it was."""

import random
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch


@contextmanager
def usual_modes() -> Iterator[None]:
    """What a new thread begins with: gradients, no autocast, the CPU; of this thread alone."""
    on_cpu = torch.get_default_device().type == "cpu"
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
        nullcontext() if on_cpu else torch.device("cpu"),  # it would slow down every operation
    ):
        yield


@contextmanager
def usual_settings() -> Iterator[None]:
    """`usual_modes`, and new numbers are float32: so in the whole process, for a while."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with usual_modes():
            yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def kept_random_states() -> Iterator[None]:
    """The random generators of Python, NumPy and PyTorch go on as if nothing had used or seeded them."""
    python, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(arrays)  # noqa: NPY002
