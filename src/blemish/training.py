"""The training loop. Launch it as is, or under `accelerate launch` for several processes or GPUs.

Everything random is a function of the seed and the epoch, so a run that goes on from a checkpoint ends with
the same weights as one that was never interrupted.
"""

import math
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, set_seed
from torch import Tensor

from blemish.batches import Batches, count_batches, epoch_order, lone_image_named
from blemish.checkpoint import Position, load_checkpoint, save_checkpoint
from blemish.config import TrainingConfig
from blemish.errors import BlemishError, Interrupted
from blemish.interruption import Interruption
from blemish.machine import choose_precision, deterministic_kernels, peak_memory_mb
from blemish.models.base import Batch, TrainedModel
from blemish.processes import agree, average_gradients
from blemish.progress import progress_bar
from blemish.schedule import learning_rate
from blemish.training_log import open_log, write_entry

PATIENCE = 500  # batches on end that must show a collapse before training stops


@dataclass(frozen=True)
class TrainingSummary:
    """What training did: for the model file and the user.

    The weights kept are those after `kept_epoch` epochs, with which the held-out images have
    `validation_loss`.
    """

    epochs: float
    kept_epoch: float
    validation_loss: float
    seconds: float
    seconds_per_epoch: float
    peak_memory_mb: float | None
    precision: str
    processes: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def train(
    model: TrainedModel,
    images: np.ndarray,
    train_indices: np.ndarray,
    validation_indices: np.ndarray,
    config: TrainingConfig,
    *,
    checkpoint: Path,
    log: Path,
    fingerprint: str,
    resume: bool = False,
    quiet: bool = False,
) -> TrainingSummary:
    """Train `model` in place; it ends with the weights of the epoch that `config.select` says.

    Args:
        model: with its teacher's weights loaded.
        images: uint8 [N, S, S, 3], all good; may be a memory map.
        train_indices, validation_indices: disjoint rows of `images`.
        checkpoint: file to keep the state in; the caller removes it once the model is safe.
        log: JSONL file, one object per batch and one per epoch; removed if training fails before there is a
            checkpoint.
        fingerprint: what a checkpoint must have been made with to go on from it.
        resume: go on from `checkpoint`.
        quiet: no progress bar.

    Raises:
        Interrupted: Ctrl-C; the checkpoint is there.
        BlemishError: the checkpoint belongs to another run, training has collapsed or a loss is no longer
            finite (the checkpoint then holds a state before that), or one image is too little for BatchNorm.
    """
    mixed_precision = choose_precision(config.precision)
    AcceleratorState._reset_state()  # else a second run in this process could not choose its own precision
    accelerator = Accelerator(
        cpu=not (torch.cuda.is_available() or torch.backends.mps.is_available()),
        mixed_precision=mixed_precision,
        log_with=None if config.tracker == "none" else config.tracker,
        project_dir=log.parent,
    )
    set_seed(config.seed)
    if config.tracker != "none":
        run = checkpoint.stem
        accelerator.init_trackers(
            f"blemish/{run}" if config.tracker == "tensorboard" else "blemish",  # tensorboard's is a folder
            config=config.model_dump() | {"adam_betas": str(config.adam_betas)},  # trackers take plain values
            init_kwargs={"mlflow": {"run_name": run}, "wandb": {"name": run}},
        )

    model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimisers = {
        group: torch.optim.Adam(
            parameters,
            config.learning_rate,
            betas=config.adam_betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        for group, parameters in model.parameter_groups().items()
    }

    position = Position()
    best = _snapshot(model) if config.select == "best" else {}
    if resume:
        position = load_checkpoint(checkpoint, fingerprint, model, best, optimisers)
    started = time.monotonic() - position.seconds

    with ExitStack() as stack:
        for tracker in accelerator.trackers:
            stack.callback(tracker.finish)
        stack.enter_context(deterministic_kernels(config.deterministic))
        interruption = stack.enter_context(Interruption())
        batches = Batches(model, images, accelerator, config, checkpoint.parent)
        steps_per_epoch = count_batches(len(train_indices), config.batch_size, batches.least)
        total = config.epochs * steps_per_epoch
        log_file = stack.enter_context(
            open_log(log, position.log_bytes, checkpoint, write=accelerator.is_main_process)
        )
        advance = stack.enter_context(progress_bar("Training", total, done=position.step, quiet=quiet))

        saved_step = position.step

        def save() -> None:
            nonlocal saved_step
            if not all(value.isfinite().all() for value in model.state_dict().values()):
                return
            saved_step = position.step
            position.seconds = time.monotonic() - started
            if accelerator.is_main_process:
                position.log_bytes = log_file.tell()
                save_checkpoint(checkpoint, fingerprint, position, model, best, optimisers)

        saved_at = epoch_started = time.monotonic()
        note = ""
        model.train()
        while position.step < total:
            epoch, batch_number = divmod(position.step, steps_per_epoch)
            if batch_number == 0:
                position.losses = {}
                epoch_started = time.monotonic()
            torch.manual_seed((config.seed + position.step) % 2**32)  # for models that drop units at random
            order = epoch_order(train_indices, config.seed, epoch)
            end = (batch_number + 1) * config.batch_size if batch_number + 1 < steps_per_epoch else None
            batch = batches.get(order[batch_number * config.batch_size : end])
            rate = learning_rate(config, position.step / total)
            losses = _train_batch(model, batch, optimisers, rate, accelerator)
            losses, stop = agree(accelerator, losses, interruption.asked)
            position.step += 1
            for name, value in losses.items():
                position.losses[name] = position.losses.get(name, 0.0) + value / steps_per_epoch
            if broken := _not_finite(losses):
                raise _collapsed(broken, epoch, saved_step // steps_per_epoch, checkpoint)
            write_entry(log_file, {"step": position.step, "losses": losses})
            collapse = model.after_batch(losses)
            position.unhealthy = position.unhealthy + 1 if collapse else 0
            if position.unhealthy == PATIENCE:
                raise _collapsed(collapse, epoch, saved_step // steps_per_epoch, checkpoint)
            if position.step % steps_per_epoch == 0:
                validation_loss = _validate(model, batches, validation_indices, config.batch_size)
                if not math.isfinite(validation_loss):
                    broken = f"the validation loss is {validation_loss}"
                    raise _collapsed(broken, epoch, saved_step // steps_per_epoch, checkpoint)
                if config.select == "last" or validation_loss < position.kept_loss:
                    position.kept_loss, position.kept_epoch = validation_loss, epoch + 1
                    best = _snapshot(model) if config.select == "best" else {}
                entry = {
                    "epoch": epoch + 1,
                    "step": position.step,
                    "losses": position.losses,
                    "validation_loss": validation_loss,
                    "learning_rate": rate,
                    "seconds": round(time.monotonic() - epoch_started, 3),
                }
                write_entry(log_file, entry)
                accelerator.log(position.losses | {"validation_loss": validation_loss}, step=position.step)
                note = f"epoch {epoch + 1}, validation loss {validation_loss:.4f}"
            advance(note=note)
            due = stop or time.monotonic() - saved_at >= config.checkpoint_seconds
            if collapse:  # keep what there is from before; where there is nothing, what is nearest to it
                due = not checkpoint.exists() and (stop or position.unhealthy == 1 < position.step)
            if due or position.step == total:
                save()
                saved_at = time.monotonic()
            if stop:
                accelerator.wait_for_everyone()  # one process writes the checkpoint: it is there for all
                raise Interrupted(
                    f"Stopped after epoch {saved_step / steps_per_epoch:.1f} of {config.epochs}; "
                    "the same command with --resume goes on from there."
                )

        if config.select == "last" and position.step % steps_per_epoch:  # told to end within an epoch
            position.kept_loss = _validate(model, batches, validation_indices, config.batch_size)
            position.kept_epoch = round(position.step / steps_per_epoch, 2)

    if best:
        model.load_state_dict(best)
    model.eval()
    model.after_training(batches.in_order(train_indices))
    seconds = time.monotonic() - started
    return TrainingSummary(
        epochs=max(config.epochs, position.kept_epoch),
        kept_epoch=position.kept_epoch,
        validation_loss=position.kept_loss,
        seconds=round(seconds, 1),
        seconds_per_epoch=round(seconds / config.epochs, 3),
        peak_memory_mb=peak_memory_mb(),
        precision="bf16" if mixed_precision == "bf16" else "fp32",
        processes=accelerator.num_processes,
    )


def _snapshot(model: TrainedModel) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _train_batch(
    model: TrainedModel,
    batch: Batch,
    optimisers: dict[str, torch.optim.Adam],
    rate: float,
    accelerator: Accelerator,
) -> dict[str, float]:
    """Make all optimisation steps of a batch; the mean of each loss and of its parts."""
    values: dict[str, list[float]] = {}
    steps = model.training_steps(batch)
    while True:
        with accelerator.autocast(), lone_image_named():  # anew for each step: it keeps weights it has cast
            step = next(steps, None)
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
        for name, value in {step.group: step.loss, **step.parts}.items():
            values.setdefault(name, []).append(value.item())


def _not_finite(losses: dict[str, float]) -> str:
    broken = [f"{name} is {value}" for name, value in losses.items() if not math.isfinite(value)]
    return f"the loss {broken[0]}" if broken else ""


def _collapsed(reason: str, epoch: int, saved_epochs: int, checkpoint: Path) -> BlemishError:
    remedy = "lower training.learning_rate or set training.precision to fp32"
    if checkpoint.exists():
        end_there = f"end there with --resume --epochs {saved_epochs}, " if saved_epochs else ""
        remedy = (
            f"{checkpoint} holds the state before that. Go on from there with --resume and a lower "
            f"training.learning_rate or training.precision=fp32, {end_there}or delete it and start afresh"
        )
    return BlemishError(f"Training collapsed in epoch {epoch + 1}: {reason}; {remedy}.")


@torch.no_grad()
def _validate(model: TrainedModel, batches: Batches, rows: np.ndarray, batch_size: int) -> float:
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
