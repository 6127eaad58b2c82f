"""Fitting without training."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from blemish.errors import Interrupted
from blemish.models.base import TrainingFreeModel
from blemish.training.config import TrainingConfig
from blemish.training.one_pass import learn_in_one_pass
from tests.support import textures


class Attentive(TrainingFreeModel):
    """Notes what it is shown."""

    def learn(self, batches: Callable[[], Iterator[Tensor]], count: int, seed: int) -> None:
        self.shown, self.count, self.seed = list(batches()), count, seed
        self.again = list(batches())
        self.asked = self.training, torch.are_deterministic_algorithms_enabled()


def test_a_model_is_shown_its_rows_in_order_as_often_as_it_asks() -> None:
    images, rows = textures(24), np.arange(3, 24)
    model = Attentive().train()
    summary = learn_in_one_pass(model, images, rows, TrainingConfig(seed=4, deterministic=True))
    shown = torch.cat(model.shown).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(shown, images[rows]) and [len(batch) for batch in model.shown] == [16, 5]
    assert torch.equal(torch.cat(model.again), torch.cat(model.shown))
    assert (model.count, model.seed, model.asked) == (len(rows), 4, (False, True))
    assert summary.keys() == {"seconds", "peak_memory_mb", "precision"}
    assert not torch.are_deterministic_algorithms_enabled()


def test_ctrl_c_is_a_sentence() -> None:
    class Stopped(TrainingFreeModel):
        def learn(self, *_: object) -> None:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="nothing was written"):
        learn_in_one_pass(Stopped(), textures(2), np.arange(2), TrainingConfig())
