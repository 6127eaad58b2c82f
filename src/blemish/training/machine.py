"""What training asks of the machine: device and precision, processes, Ctrl-C, memory."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Literal

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import nn

from blemish.training.checks import process_count

if TYPE_CHECKING:
    from blemish.training.config import TrainingConfig

# what Accelerate learns of other processes from
OF_PROCESSES = (
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"),
    *("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE"),
)


def start_accelerator(config: "TrainingConfig", run: str, folder: Path) -> Accelerator:
    """Accelerate's hold on device, precision, processes and tracker; everything random is seeded.

    The tracker calls it `run` and has its files in `folder`.
    """
    AcceleratorState._reset_state()  # else a second run in this process could not choose its own precision
    with _launched_or_alone():
        accelerator = Accelerator(
            cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),
            mixed_precision=choose_precision(config.precision),
            log_with=None if config.tracker == "none" else config.tracker,
            project_dir=folder,
        )
    set_seed(config.seed)
    if config.tracker != "none":
        accelerator.init_trackers(
            f"blemish/{run}" if config.tracker == "tensorboard" else "blemish",  # tensorboard's is a folder
            config=config.model_dump() | {"adam_betas": str(config.adam_betas)},  # trackers take plain values
            init_kwargs={"mlflow": {"run_name": run}, "wandb": {"name": run}},
        )
    return accelerator


@contextmanager
def _launched_or_alone() -> Iterator[None]:
    """Hide from Accelerate what a scheduler says of processes that nobody has launched."""
    hidden = {} if process_count() > 1 else {name: os.environ.pop(name, None) for name in OF_PROCESSES}
    try:
        yield
    finally:
        os.environ.update({name: value for name, value in hidden.items() if value is not None})


def choose_precision(precision: str) -> Literal["no", "bf16"]:
    """Accelerate's name for the precision; "auto" takes bfloat16 where it is fast."""
    if precision == "auto":
        if torch.cuda.is_available():
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
        return "bf16" if torch.cpu._is_avx512_bf16_supported() else "no"
    return "bf16" if precision == "bf16" else "no"


@contextmanager
def deterministic_kernels(wanted: bool) -> Iterator[None]:
    """Insist on deterministic kernels for a while."""
    before = torch.are_deterministic_algorithms_enabled()
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is only deterministic with it
    torch.use_deterministic_algorithms(wanted or before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def average_gradients(accelerator: Accelerator, parameters: list[nn.Parameter]) -> None:
    """Give all processes the mean of their gradients.

    A distributed wrapper would do so for one loss that reaches every parameter; the steps of a GAN reach
    different ones each.
    """
    if accelerator.num_processes == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    mean = accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
    parts = mean.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view(gradient.shape))


def agree(accelerator: Accelerator, losses: dict[str, float], stop: bool) -> tuple[dict[str, float], bool]:
    """The mean losses of all processes, and whether any of them was asked to stop."""
    if accelerator.num_processes == 1:
        return losses, stop
    values = torch.tensor([*losses.values(), float(stop)], device=accelerator.device)
    *means, stops = accelerator.reduce(values, "mean").tolist()
    return dict(zip(losses, means, strict=True)), stops > 0


class Interruption:
    """Turns Ctrl-C and SIGTERM into a wish that a loop grants between two steps.

    A second Ctrl-C stops at once; a SIGTERM does not, since launchers send it after a Ctrl-C.
    """

    asked = False

    def __enter__(self) -> "Interruption":
        self._previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        with suppress(ValueError):  # not the main thread: the caller handles interrupts
            for number in self._previous:
                signal.signal(number, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *exception: object) -> None:
        for number, previous in self._previous.items():
            if signal.getsignal(number) == self._ask:
                signal.signal(number, previous)


def peak_memory_mb() -> float | None:
    """Of this process so far; None on systems that do not tell."""
    with suppress(OSError, IndexError, ValueError):  # getrusage starts at the peak of the parent process
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return round(int(status.partition("VmHWM:")[2].split()[0]) / 1024, 1)
    with suppress(ImportError):
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
    return None
