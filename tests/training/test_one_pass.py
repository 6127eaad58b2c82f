"""Fitting without training."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from blemish.errors import Interrupted
from blemish.models.base import TrainingFreeModel
from blemish.models.memory_bank.spade import SPADE
from blemish.training.config import TrainingConfig, build_config
from blemish.training.fit import fit
from blemish.training.one_pass import BATCH_SIZE, learn_in_one_pass
from tests.support import BACKBONE, texture_dataset, textures


class Attentive(TrainingFreeModel):
    """Notes what it is shown."""

    def learn(self, batches: Callable[[], Iterator[Tensor]], count: int, seed: int) -> None:
        self.shown, self.count, self.seed = list(batches()), count, seed
        self.again = list(batches())
        self.asked = self.training, torch.are_deterministic_algorithms_enabled()


def test_a_model_is_shown_its_rows_in_order_as_often_as_it_asks() -> None:
    images, rows = textures(BATCH_SIZE + 8), np.arange(3, BATCH_SIZE + 8)
    model = Attentive().train()
    summary = learn_in_one_pass(model, images, rows, TrainingConfig(seed=4, deterministic=True))
    shown = torch.cat(model.shown).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(shown, images[rows]) and len(model.shown[0]) == BATCH_SIZE
    assert torch.equal(torch.cat(model.again), torch.cat(model.shown))
    assert (model.count, model.seed, model.asked) == (len(rows), 4, (False, True))
    assert summary.keys() == {"seconds", "peak_memory_mb", "precision"}
    assert not torch.are_deterministic_algorithms_enabled()


def test_ctrl_c_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: SPADE, batches: Callable[[], Iterator[Tensor]], count: int, seed: int) -> None:
        next(batches())
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(SPADE, "learn", interrupted)
    data = texture_dataset(tmp_path / "images", 4)
    config = build_config(values={"method": "spade", "model": {"backbone": BACKBONE}})
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with pytest.raises(Interrupted, match="nothing was written"):
            fit(data, config, tmp_path / "model.safetensors", weights="random")
    finally:
        signal.signal(signal.SIGINT, before)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]
