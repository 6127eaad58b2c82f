"""The training loop. Launch it as is, or under `accelerate launch` for several processes or GPUs.

Everything random is a function of the seed and the epoch, so a run that goes on from a checkpoint ends with
the same weights as one that was never interrupted.
"""

import io
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast, set_seed
from torch import Tensor, nn

from blemish.batches import Batches, count_batches, epoch_order, lone_image_named
from blemish.checkpoint import Position, load_checkpoint, save_checkpoint
from blemish.config import TrainingConfig
from blemish.errors import BlemishError, Interrupted
from blemish.interruption import Interruption
from blemish.models.base import AnomalyModel, Batch
from blemish.progress import progress_bar


@dataclass(frozen=True)
class TrainingSummary:
    """What training did: for the model file and the user."""

    epochs: int
    best_epoch: int
    best_validation_loss: float
    seconds: float
    seconds_per_epoch: float
    peak_memory_mb: float | None
    precision: str
    processes: int = field(default=1)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class _Losses(nn.Module):
    """The model's losses behind one forward, which is what a distributed wrapper needs."""

    def __init__(self, model: AnomalyModel) -> None:
        super().__init__()
        self.model = model
        self.losses = [update.loss for update in model.updates()]

    def forward(self, update: int, batch: Batch) -> Tensor:
        return self.losses[update](batch)


def choose_precision(precision: str) -> Literal["no", "bf16"]:
    """Accelerate's name for the precision; "auto" takes bfloat16 where it is fast."""
    if precision == "auto":
        if torch.cuda.is_available():
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
        return "bf16" if torch.cpu._is_avx512_bf16_supported() else "no"
    return "bf16" if precision == "bf16" else "no"


def train(
    model: AnomalyModel,
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
    """Train `model` in place; it ends with the weights of the epoch with the least validation loss.

    Args:
        model: with its teacher's weights loaded.
        images: uint8 [N, S, S, 3], all good; may be a memory map.
        train_indices, validation_indices: disjoint rows of `images`.
        checkpoint: file to keep the state in; the caller removes it once the model is safe.
        log: JSONL file, one object per epoch; removed if training fails before there is a checkpoint.
        fingerprint: what a checkpoint must have been made with to go on from it.
        resume: go on from `checkpoint`.
        quiet: no progress bar.

    Raises:
        Interrupted: Ctrl-C; the checkpoint is there.
        BlemishError: the checkpoint belongs to another run, the loss is no longer finite, or one image
            is too little for BatchNorm.
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
            config=config.model_dump(),
            init_kwargs={"mlflow": {"run_name": run}, "wandb": {"name": run}},
        )

    updates = model.updates()
    optimisers = [
        torch.optim.Adam(
            update.parameters, config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        for update in updates
    ]
    model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    losses = accelerator.prepare_model(_Losses(model))

    position = Position()
    best = _snapshot(model)
    if resume:
        position = load_checkpoint(checkpoint, fingerprint, model, best, optimisers)
    started = time.monotonic() - position.seconds

    with ExitStack() as stack:
        for tracker in accelerator.trackers:
            stack.callback(tracker.finish)
        stack.enter_context(_deterministic_kernels(config.deterministic))
        interruption = stack.enter_context(Interruption())
        batches = Batches(model, images, accelerator, config)
        steps_per_epoch = count_batches(len(train_indices), config.batch_size, batches.least)
        total = config.epochs * steps_per_epoch
        log_file = stack.enter_context(
            _open_log(log, position.log_bytes, checkpoint, write=accelerator.is_main_process)
        )
        advance = stack.enter_context(progress_bar("Training", total, done=position.step, quiet=quiet))

        def save() -> None:
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
                position.epoch_loss = 0.0
                epoch_started = time.monotonic()
            torch.manual_seed((config.seed + position.step) % 2**32)  # for models that drop units at random
            order = epoch_order(train_indices, config.seed, epoch)
            end = (batch_number + 1) * config.batch_size if batch_number + 1 < steps_per_epoch else None
            batch = batches.get(order[batch_number * config.batch_size : end])
            rate = config.learning_rate * config.lr_decay ** (position.step / total)
            batch_loss = 0.0
            for number, optimiser in enumerate(optimisers):
                for group in optimiser.param_groups:
                    group["lr"] = rate
                optimiser.zero_grad()
                with lone_image_named():
                    loss = losses(number, batch)
                accelerator.backward(loss)
                optimiser.step()
                batch_loss += loss.item()
            batch_loss, stop = _agree(accelerator, batch_loss, interruption.asked)
            position.step += 1
            position.epoch_loss += batch_loss / steps_per_epoch
            _check_finite("loss", batch_loss, epoch + 1, checkpoint)
            if position.step % steps_per_epoch == 0:
                validation_loss = _validate(model, batches, validation_indices, config.batch_size)
                _check_finite("validation loss", validation_loss, epoch + 1, checkpoint)
                if validation_loss < position.best_loss:
                    position.best_loss, position.best_epoch = validation_loss, epoch + 1
                    best = _snapshot(model)
                entry = {
                    "epoch": epoch + 1,
                    "step": position.step,
                    "train_loss": position.epoch_loss,
                    "validation_loss": validation_loss,
                    "learning_rate": rate,
                    "seconds": round(time.monotonic() - epoch_started, 3),
                }
                log_file.write(json.dumps(entry) + "\n")
                log_file.flush()
                accelerator.log({k: v for k, v in entry.items() if "loss" in k}, step=position.step)
                note = f"epoch {epoch + 1}, validation loss {validation_loss:.4f}"
            advance(note=note)
            if stop:
                save()
                raise Interrupted(
                    f"Stopped after epoch {position.step / steps_per_epoch:.1f} of {config.epochs}; "
                    "the same command with --resume goes on from there."
                )
            if position.step == total or time.monotonic() - saved_at >= config.checkpoint_seconds:
                save()
                saved_at = time.monotonic()

    model.load_state_dict(best)
    model.eval()
    seconds = time.monotonic() - started
    return TrainingSummary(
        epochs=config.epochs,
        best_epoch=position.best_epoch,
        best_validation_loss=position.best_loss,
        seconds=round(seconds, 1),
        seconds_per_epoch=round(seconds / config.epochs, 3),
        peak_memory_mb=_peak_memory_mb(),
        precision="bf16" if mixed_precision == "bf16" else "fp32",
        processes=accelerator.num_processes,
    )


def _snapshot(model: AnomalyModel) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _agree(accelerator: Accelerator, loss: float, stop: bool) -> tuple[float, bool]:
    """The mean loss of all processes, and whether any of them was asked to stop."""
    if accelerator.num_processes == 1:
        return loss, stop
    mean = accelerator.reduce(torch.tensor([loss, float(stop)], device=accelerator.device), "mean")
    return float(mean[0]), bool(mean[1] > 0)


def _check_finite(name: str, value: float, epoch: int, checkpoint: Path) -> None:
    if not math.isfinite(value):
        afresh = f", delete {checkpoint}" if checkpoint.exists() else ""
        raise BlemishError(
            f"The {name} became {value} in epoch {epoch}; lower training.learning_rate or set "
            f"training.precision to fp32{afresh} and start afresh."
        )


@torch.no_grad()
def _validate(model: AnomalyModel, batches: Batches, rows: np.ndarray, batch_size: int) -> float:
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


@contextmanager
def _open_log(path: Path, keep_bytes: int, checkpoint: Path, *, write: bool) -> Iterator[TextIO]:
    """Open the log for appending, cut back to what the checkpoint knew of it."""
    if not write:
        yield io.StringIO()
        return
    try:
        with path.open("a", encoding="utf-8") as file:
            file.truncate(min(keep_bytes, path.stat().st_size))
            file.seek(0, os.SEEK_END)
            yield file
    except BaseException:
        if not checkpoint.exists():
            path.unlink(missing_ok=True)
        raise


@contextmanager
def _deterministic_kernels(wanted: bool) -> Iterator[None]:
    """Insist on deterministic kernels for a while."""
    before = torch.are_deterministic_algorithms_enabled()
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is only deterministic with it
    torch.use_deterministic_algorithms(wanted or before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _peak_memory_mb() -> float | None:
    """Of this process so far; None on systems that do not tell."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
