"""AnoTrans's generator, small."""

from typing import Any

import torch
from torch import nn

from blemish.models.gan.anotrans import Generator
from blemish.models.gan.config import AnoTransConfig

CHANNELS = 16


def small(**fields: Any) -> AnoTransConfig:
    """The paper's network with fewer channels."""
    return AnoTransConfig(**({"channels": CHANNELS} | fields))


def make(size: int = 32, **fields: Any) -> Any:
    """A generator whose every weight can be seen in what it gives."""
    return scrambled(Generator(small(**fields), size))


def scrambled(module: nn.Module) -> Any:
    """With random weights everywhere, so that no influence is too small to be seen and none is symmetric."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module.eval()
