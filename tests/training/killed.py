"""Runs that are killed, and what tells whether they ended as others did."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from blemish.inference.model_file import write_tensors
from blemish.models.base import Batch
from blemish.training import loop as training
from tests.support import (
    PROCESSES,
    TinyModel,
    log_lines,
    same_tensors,
    textures,
    tiny_training,
)

EPOCHS, STEPS = 4, 12  # 9 images in batches of 4 are 3 steps an epoch


class SlowModel(TinyModel):
    """Leaves time to be interrupted."""

    def validation_loss(self, batch: Batch) -> Tensor:
        time.sleep(0.04)
        return super().validation_loss(batch)


def train(folder: Path, model: TinyModel | None = None, *, resume: bool = False, **fields: Any) -> None:
    """A run in `folder`; its weights become a file there."""
    model = model or TinyModel()
    images = textures(11)
    training.train(
        model,
        images,
        np.arange(9),
        np.arange(9, 11),
        tiny_training(**{"epochs": EPOCHS, "checkpoint_seconds": 0} | fields),
        checkpoint=folder / "run.checkpoint",
        log=folder / "log.jsonl",
        fingerprint="the same data and settings",
        resume=resume,
        quiet=True,
    )
    write_tensors(folder / "weights.safetensors", model.state_dict(), {})


def train_slowly(folder: Path, resume: bool) -> None:
    """The same, with time to be killed in."""
    train(folder, SlowModel(), resume=resume)


def die() -> None:
    """As kill -9 does it."""
    os.kill(os.getpid(), signal.SIGKILL)


def train_until(folder: Path, saves: int, *, inside_write: bool, resume: bool = False) -> None:
    """A run that is killed after a number of checkpoints, or in the middle of writing the next one."""
    done = 0
    write = Path.write_bytes

    def count(path: Path, data: bytes) -> int:
        nonlocal done
        if done == saves and inside_write:
            write(path, data[: len(data) // 2])
            die()
        done += 1
        return write(path, data)

    Path.write_bytes = count  # type: ignore[method-assign, assignment]
    save = training.save_checkpoint

    def save_and_die(*arguments: Any) -> None:
        save(*arguments)
        if done == saves and not inside_write:
            die()

    training.save_checkpoint = save_and_die
    train(folder, resume=resume)


def in_process(target: Any, *arguments: Any, **options: Any) -> int | None:
    """Call a function in a process of its own; its exit code."""
    process = PROCESSES.Process(target=target, args=arguments, kwargs=options)
    process.start()
    process.join(300)
    return process.exitcode


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(folder)
    return folder


def assert_same_run(folder: Path, other: Path) -> None:
    """Fail unless both ended with the same weights and the same log."""
    assert same_tensors(load_file(folder / "weights.safetensors"), load_file(other / "weights.safetensors"))
    assert log_lines(folder / "log.jsonl") == log_lines(other / "log.jsonl")
    assert len(log_lines(folder / "log.jsonl")) == EPOCHS


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each optimiser step taken in this process."""
    taken: list[int] = []
    step = torch.optim.Adam.step

    def count(self: torch.optim.Adam, *arguments: Any) -> Any:
        taken.append(1)
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", count)
    return taken
