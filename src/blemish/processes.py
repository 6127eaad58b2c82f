"""What several processes that train one model tell each other."""

import torch
from accelerate import Accelerator
from torch import nn


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
