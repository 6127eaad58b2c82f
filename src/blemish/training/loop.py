"""The training loop. Launch it as is, or under `accelerate launch` for several processes or GPUs.

Everything random is a function of the seed and the epoch, so a run that goes on from a checkpoint ends with
the same weights as one that was never interrupted.
"""

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast

from blemish.errors import BlemishError, Interrupted
from blemish.models.base import Batch, TrainedModel
from blemish.progress import progress_bar
from blemish.training.batches import Batches, batch_rows, count_batches, in_order
from blemish.training.checkpoint import Checkpoint, Optimisers, Position, Selection
from blemish.training.collapse import CollapseWatch
from blemish.training.config import TrainingConfig
from blemish.training.log import TrainingLog
from blemish.training.machine import (
    Interruption,
    agree,
    average_gradients,
    deterministic_kernels,
    peak_memory_mb,
    start_accelerator,
)

WARM_UP = 0.15  # share of the steps in which the one-cycle rate rises
FIRST = 0.04  # share of the peak that it rises from


@dataclass(frozen=True)
class TrainingSummary:
    """What training did; the weights kept are those after `kept_epoch` epochs, with `validation_loss`."""

    epochs: float
    kept_epoch: float
    validation_loss: float
    seconds: float
    seconds_per_epoch: float
    peak_memory_mb: float | None
    precision: str
    processes: int


def train(
    model: TrainedModel,
    images: np.ndarray,
    train_rows: np.ndarray,
    validation_rows: np.ndarray,
    config: TrainingConfig,
    *,
    checkpoint: Path,
    log: Path,
    fingerprint: str,
    resume: bool = False,
) -> TrainingSummary:
    """Train `model` in place; it ends with the weights of the epoch that `config.select` says.

    Args:
        model: with its teacher's weights loaded.
        images: uint8 [N, S, S, 3], all good; may be a memory map.
        train_rows, validation_rows: disjoint rows of `images`.
        checkpoint: file to keep the state in; the caller removes it once the model is safe.
        log: JSONL file, see `TrainingLog`.
        fingerprint: what a checkpoint must have been made with to go on from it.
        resume: go on from `checkpoint`.

    Raises:
        Interrupted: Ctrl-C; the checkpoint is there.
        BlemishError: the checkpoint belongs to another run, training has collapsed or a loss is no longer
            finite (the checkpoint then holds a state before that), or one image is too little for BatchNorm.
    """
    accelerator = start_accelerator(config, checkpoint.stem, log.parent)
    model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    options: Any = {"betas": config.adam_betas, "weight_decay": config.weight_decay, "fused": True}
    optimisers = {group: torch.optim.Adam(own, **options) for group, own in model.parameter_groups().items()}
    selection = Selection(model, config.select)
    saved = Checkpoint(checkpoint, fingerprint, model, selection, optimisers)
    position = saved.load() if resume else Position()
    started = time.monotonic() - position.seconds

    with ExitStack() as stack:
        lines = stack.enter_context(TrainingLog(log, position.log_bytes, checkpoint, accelerator))
        stack.enter_context(deterministic_kernels(config.deterministic))
        interruption = stack.enter_context(Interruption())
        batches = Batches(model, images, accelerator, config, checkpoint.parent)
        steps_per_epoch = count_batches(len(train_rows), config.batch_size, batches.least)
        total = config.epochs * steps_per_epoch
        watch = CollapseWatch(position, saved, steps_per_epoch)
        advance = stack.enter_context(progress_bar("Training", total, done=position.step))

        note = ""
        model.train()
        while position.step < total:
            torch.manual_seed((config.seed + position.step) % 2**32)  # for models that drop units at random
            batch = batches.get(batch_rows(train_rows, config, position.step, steps_per_epoch))
            rate = learning_rate(config, position.step / total)
            losses = train_batch(model, batch, optimisers, rate, accelerator)
            losses, stop = agree(accelerator, losses, interruption.asked)
            position.add(losses, steps_per_epoch)
            watch.losses(losses)
            lines.batch(position, losses)
            watch.batch(model.after_batch(losses))

            epoch, more = divmod(position.step, steps_per_epoch)
            if not more:
                validation_loss = validate(model, batches, validation_rows, config.batch_size)
                watch.losses({"of validation": validation_loss})
                selection.offer(position, validation_loss, epoch)
                lines.epoch(epoch, position, validation_loss, rate)
                note = f"epoch {epoch}, validation loss {validation_loss:.4f}"
            advance(note=note)

            if position.step == total or saved.due(position, config.checkpoint_seconds, asked=stop):
                position.seconds = time.monotonic() - started
                position.log_bytes = lines.file.tell()
                saved.save(position, write=accelerator.is_main_process)
            if stop:
                accelerator.wait_for_everyone()  # one process writes the checkpoint: it is there for all
                raise Interrupted(
                    f"Stopped after epoch {saved.step / steps_per_epoch:.1f} of {config.epochs}; "
                    "the same command with --resume goes on from there."
                )

        if config.select == "last" and position.step % steps_per_epoch:  # told to end within an epoch
            validation_loss = validate(model, batches, validation_rows, config.batch_size)
            selection.offer(position, validation_loss, round(position.step / steps_per_epoch, 2))

    if selection.weights:
        model.load_state_dict(selection.weights)
    model.eval()
    show_all(model, images, train_rows, config.seed, accelerator.device)
    seconds = time.monotonic() - started
    return TrainingSummary(
        epochs=max(config.epochs, position.kept_epoch),
        kept_epoch=position.kept_epoch,
        validation_loss=position.kept_loss,
        seconds=round(seconds, 1),
        seconds_per_epoch=round(seconds / config.epochs, 3),
        peak_memory_mb=peak_memory_mb(),
        precision="bf16" if accelerator.mixed_precision == "bf16" else "fp32",
        processes=accelerator.num_processes,
    )


def show_all(
    model: TrainedModel, images: np.ndarray, train_rows: np.ndarray, seed: int, device: torch.device
) -> None:
    """Let a model, in place, take what it needs of all good images (`TrainedModel.after_training`)."""
    rows = np.arange(len(images))
    model.after_training(partial(in_order, images, rows, device), np.isin(rows, train_rows), seed)


def train_batch(
    model: TrainedModel, batch: Batch, optimisers: Optimisers, rate: float, accelerator: Accelerator
) -> dict[str, float]:
    """Make all optimisation steps of a batch; the mean of each loss and of its parts."""
    values: dict[str, list[float]] = {}
    steps = model.training_steps(batch)
    while True:
        try:
            with accelerator.autocast():
                step = next(steps, None)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):  # as BatchNorm complains
                raise
            raise BlemishError(
                "One image is too little to learn from where the network's last map is a single pixel; "
                "give more images or a larger frame (frame.resize and frame.crop)."
            ) from error
        if step is None:
            return {name: sum(found) / len(found) for name, found in values.items()}
        optimiser = optimisers[step.group]
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.zero_grad()
        accelerator.backward(step.loss, inputs=parameters)
        average_gradients(accelerator, parameters)
        optimiser.step()
        torch.clear_autocast_cache()  # of the weights before the step; within another autocast it would stay
        for name, value in {step.group: step.loss, **step.parts}.items():
            values.setdefault(name, []).append(value.item())


def learning_rate(config: TrainingConfig, done: float) -> float:
    """The rate of the step before which the share `done` in [0, 1) of all steps has been made.

    "exponential" is eq. 20 of GTrans. "one-cycle" (Smith and Topin, arXiv 1708.07120) rises along a cosine to
    `config.learning_rate` and falls along another one to nothing.
    """
    if config.schedule == "exponential":
        return config.learning_rate * config.lr_decay**done
    if done < WARM_UP:
        start, end, share = FIRST, 1.0, done / WARM_UP
    else:
        start, end, share = 1.0, 0.0, (done - WARM_UP) / (1 - WARM_UP)
    return config.learning_rate * (start + (end - start) * (0.5 - 0.5 * math.cos(math.pi * share)))


@torch.no_grad()
def validate(model: TrainedModel, batches: Batches, rows: np.ndarray, batch_size: int) -> float:
    """Mean validation loss over the held-out rows, each counted once."""
    for buffer in model.buffers():  # every process has its own BatchNorm statistics
        broadcast(buffer)
    model.eval()
    collected = []
    for start in range(0, len(rows), batch_size):
        batch_rows = rows[start : start + batch_size]
        with batches.accelerator.autocast():
            values = model.validation_loss(batches.get(batch_rows)).float()
        collected.append(batches.accelerator.gather(values)[: len(batch_rows)])
    model.train()
    return float(torch.cat(collected).mean())
