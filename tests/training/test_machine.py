"""What training asks of the machine: precision, and Ctrl-C, once and twice."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from blemish.errors import Interrupted
from blemish.models.base import Batch
from blemish.training.machine import Interruption, choose_precision
from tests.training.support import PROCESSES, STEPS, TinyModel, assert_same_run, train


def test_bfloat16_is_chosen_only_where_it_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for fast, expected in ((True, "bf16"), (False, "no")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda fast=fast: fast)
        assert choose_precision("auto") == expected
    assert choose_precision("fp32") == "no"
    assert choose_precision("bf16") == "bf16"


class WaitingModel(TinyModel):
    """Waits in its fifth training step until a signal has been sent to it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.steps = folder, 0

    def validation_loss(self, batch: Batch) -> Tensor:
        self.steps += self.training
        if self.steps == 5:
            (self.folder / "ready").touch()
            wait_for(self.folder / "sent")
        return super().validation_loss(batch)


def wait_for(file: Path) -> None:
    until = time.monotonic() + 300
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.005)


def train_and_tell(folder: Path) -> None:
    try:
        train(folder, WaitingModel(folder), checkpoint_seconds=1e6)
    except Interrupted as stopped:
        (folder / "said").write_text(str(stopped))


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, uninterrupted: Path, rates: list[float]) -> None:
    process = PROCESSES.Process(target=train_and_tell, args=(tmp_path,))
    process.start()
    wait_for(tmp_path / "ready")
    os.kill(process.pid or 0, signal.SIGINT)
    (tmp_path / "sent").touch()
    process.join(300)
    assert process.exitcode == 0
    said = (tmp_path / "said").read_text()
    assert said == "Stopped after epoch 1.7 of 4; the same command with --resume goes on from there."
    train(tmp_path, resume=True, checkpoint_seconds=1e6)
    assert len(rates) == 2 * (STEPS - 5)  # of two optimisers
    assert_same_run(tmp_path, uninterrupted)


def test_a_second_ctrl_c_stops_at_once_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        assert not interruption.asked
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_works_outside_the_main_thread(tmp_path: Path, uninterrupted: Path) -> None:
    thread = threading.Thread(target=train, args=(tmp_path,))
    thread.start()
    thread.join(300)
    assert_same_run(tmp_path, uninterrupted)
