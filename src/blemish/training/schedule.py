"""How the learning rate changes in the course of training."""

import math

from blemish.training.config import TrainingConfig

WARM_UP = 0.15  # share of the steps in which the one-cycle rate rises
FIRST = 0.04  # share of the peak that it rises from


def learning_rate(config: TrainingConfig, done: float) -> float:
    """The rate of the step before which the share `done` in [0, 1) of all steps has been made.

    "exponential" is eq. 20 of GTrans. "one-cycle" (Smith and Topin, arXiv 1708.07120) rises along a cosine to
    `config.learning_rate` and falls along another one to nothing.
    """
    if config.schedule == "exponential":
        return config.learning_rate * config.lr_decay**done
    if done < WARM_UP:
        return config.learning_rate * (FIRST + (1 - FIRST) * _half_cosine(done / WARM_UP))
    return config.learning_rate * (1 - _half_cosine((done - WARM_UP) / (1 - WARM_UP)))


def _half_cosine(x: float) -> float:
    """Rises smoothly from 0 at 0 to 1 at 1."""
    return 0.5 - 0.5 * math.cos(math.pi * x)
