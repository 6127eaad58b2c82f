"""What training asks of the machine: precision, processes, and Ctrl-C and SIGTERM, once and twice."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from accelerate import PartialState
from torch import Tensor

from blemish.errors import Interrupted
from blemish.models.base import Batch
from blemish.training.checks import has_voice, process_count, process_rank
from blemish.training.machine import OF_PROCESSES, Interruption, choose_precision, start_accelerator
from tests.support import tiny_training
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
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_saves_and_says_how_to_go_on(
    stop: signal.Signals, tmp_path: Path, uninterrupted: Path, rates: list[float]
) -> None:
    process = PROCESSES.Process(target=train_and_tell, args=(tmp_path,))
    process.start()
    wait_for(tmp_path / "ready")
    os.kill(process.pid or 0, stop)
    (tmp_path / "sent").touch()
    process.join(300)
    assert process.exitcode == 0
    said = (tmp_path / "said").read_text()
    assert said == "Stopped after epoch 1.7 of 4; the same command with --resume goes on from there."
    train(tmp_path, resume=True, checkpoint_seconds=1e6)
    assert len(rates) == 2 * (STEPS - 5)  # of two optimisers
    assert_same_run(tmp_path, uninterrupted)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_ctrl_c_stops_at_once_and_the_handlers_are_put_back(first: signal.Signals) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interruption() as interruption:
        assert not interruption.asked
        signal.raise_signal(first)
        assert interruption.asked
        signal.raise_signal(signal.SIGTERM)  # as launchers send it after a Ctrl-C
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize(
    "left",
    [
        {"WORLD_SIZE": "auto"},
        {"WORLD_SIZE": "2", "RANK": "1"},
        {"WORLD_SIZE": "2", "RANK": "x", "MASTER_ADDR": "127.0.0.1"},
        {"RANK": "0", "LOCAL_RANK": "0"},
        {"LOCAL_RANK": "none"},
        {"OMPI_COMM_WORLD_SIZE": "4"},
    ],
)
def test_what_a_scheduler_leaves_in_the_environment_makes_no_processes(
    left: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*OF_PROCESSES, "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in left.items():
        monkeypatch.setenv(name, value)
    PartialState._reset_state()
    assert (process_count(), process_rank(), has_voice()) == (1, 0, True)
    assert start_accelerator(tiny_training(), "run", tmp_path).num_processes == 1
    assert left.items() <= os.environ.items()


def test_training_works_outside_the_main_thread(tmp_path: Path, uninterrupted: Path) -> None:
    thread = threading.Thread(target=train, args=(tmp_path,))
    thread.start()
    thread.join(300)
    assert_same_run(tmp_path, uninterrupted)
