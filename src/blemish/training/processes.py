"""One process, or several that train one model, and what they tell each other."""

from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import nn

from blemish.training.config import TrainingConfig
from blemish.training.machine import choose_precision


def start_accelerator(config: TrainingConfig, run: str, folder: Path) -> Accelerator:
    """Accelerate's hold on device, precision, processes and tracker; everything random is seeded.

    Args:
        config: of the training.
        run: what the tracker calls it.
        folder: for the tracker's files.
    """
    AcceleratorState._reset_state()  # else a second run in this process could not choose its own precision
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
