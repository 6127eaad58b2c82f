"""A tiny model to train, and runs that are killed, in processes of their own."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from blemish.inference.model_file import write_tensors
from blemish.models.base import Batch, Step, TrainedModel
from blemish.training import loop
from blemish.training.checkpoint import Checkpoint
from blemish.training.loop import TrainingSummary
from tests.support import log_lines, same_tensors, textures, tiny_training

EPOCHS, STEPS = 4, 12  # 9 images in batches of 4 are 3 steps an epoch

# forked from one process that has imported the slow libraries
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["blemish.training.loop", "blemish.training.fit", "blemish.models.gtrans.model", "timm"]
)


class TinyModel(TrainedModel):
    """A frozen and a trained part.

    BatchNorm, dropout, a second optimiser that sees what the first has done and mending at random make exact
    resuming hard, unless it is plain.
    """

    def __init__(self, *, plain: bool = False) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.plain = plain
        self.teacher = nn.Conv2d(3, 4, 8, stride=8).requires_grad_(False)
        self.student = nn.Sequential(nn.Conv2d(3, 4, 8, stride=8))
        if not plain:
            self.student.extend([nn.BatchNorm2d(4), nn.Dropout(0.1)])
            self.judge = nn.Conv2d(4, 1, 1)

    def frozen_features(self, images: Tensor) -> tuple[Tensor, ...]:
        return (self.teacher(images / 255),)

    def validation_loss(self, batch: Batch) -> Tensor:
        difference = self.student(batch.images / 255) - batch.frozen[0]
        return difference.float().square().mean(dim=(1, 2, 3))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        names = ["student"] if self.plain else ["student", "judge"]
        return {name: list(self.get_submodule(name).parameters()) for name in names}

    def training_steps(self, batch: Batch) -> Iterator[Step]:
        yield Step("student", self.validation_loss(batch).mean())
        if not self.plain:
            yield Step("judge", (self.judge(self.student(batch.images / 255)) - 1).square().mean())

    def after_batch(self, losses: dict[str, float]) -> str:
        if losses.get("judge", 9.0) < 1.6:
            nn.init.normal_(self.judge.weight)
        return ""


class Scripted(TinyModel):
    """Its validation losses are told by a script, and it notes its weights whenever it validates."""

    def __init__(self, script: list[float]) -> None:
        super().__init__()
        self.script, self.validated = list(script), []

    def validation_loss(self, batch: Batch) -> Tensor:
        if self.training or not self.script:
            return super().validation_loss(batch)
        self.validated.append({name: value.clone() for name, value in self.state_dict().items()})
        return torch.full((len(batch.images),), self.script.pop(0))


def train(
    folder: Path,
    model: TrainedModel | None = None,
    *,
    count: int = 11,
    learn: int = 9,
    resume: bool = False,
    weights: str = "weights.safetensors",
    **fields: Any,
) -> TrainingSummary:
    """A run over the first images in `folder`, which then holds log.jsonl, run.checkpoint and weights."""
    model = model or TinyModel()
    summary = loop.train(
        model,
        textures(count),
        np.arange(learn),
        np.arange(learn, count),
        tiny_training(**{"epochs": EPOCHS, "checkpoint_seconds": 0} | fields),
        checkpoint=folder / "run.checkpoint",
        log=folder / "log.jsonl",
        fingerprint="the same data and settings",
        resume=resume,
    )
    write_tensors(folder / weights, model.state_dict(), {})
    return summary


def assert_same_run(folder: Path, other: Path) -> None:
    """Fail unless both ended with the same weights and the same log."""
    assert same_tensors(load_file(folder / "weights.safetensors"), load_file(other / "weights.safetensors"))
    assert log_lines(folder / "log.jsonl") == log_lines(other / "log.jsonl")
    assert len(log_lines(folder / "log.jsonl")) == EPOCHS


def killed(saves: int, inside_write: bool, work: Callable[..., Any], folder: Path) -> None:
    """Have a process do work and be killed, as by kill -9, after some checkpoints or in writing the next."""
    process = PROCESSES.Process(target=_do_until, args=(saves, inside_write, work, folder))
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL


def _do_until(saves: int, inside_write: bool, work: Callable[..., Any], folder: Path) -> None:
    done, save, sync = 0, Checkpoint.save, os.fsync

    def save_and_die(self: Checkpoint, *given: Any, **named: Any) -> None:
        nonlocal done
        save(self, *given, **named)
        done += 1
        if done == saves and not inside_write:
            os.kill(os.getpid(), signal.SIGKILL)

    def sync_or_die(descriptor: int) -> None:
        if done == saves:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    Checkpoint.save, os.fsync = save_and_die, sync_or_die  # type: ignore[method-assign]
    work(folder)
