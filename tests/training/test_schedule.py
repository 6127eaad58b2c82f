"""The learning rate over a training."""

import numpy as np
import pytest
import torch

from blemish.training.config import TrainingConfig
from blemish.training.schedule import learning_rate


def test_exponential_is_eq_20() -> None:
    config = TrainingConfig(learning_rate=1e-3, lr_decay=0.9)
    assert learning_rate(config, 0) == 1e-3
    assert learning_rate(config, 0.5) == pytest.approx(1e-3 * 0.9**0.5)


def test_one_cycle_is_pytorchs() -> None:
    config = TrainingConfig(learning_rate=0.01, schedule="one-cycle")
    total = 2000
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    reference = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=total + 1, pct_start=0.15)
    expected = []
    for _ in range(total):
        expected.append(reference.get_last_lr()[0])
        optimiser.step()
        reference.step()
    rates = [learning_rate(config, step / total) for step in range(total)]
    assert max(rates) == pytest.approx(0.01, rel=1e-4)
    assert np.abs(np.subtract(rates, expected)).max() < 3e-5
