"""The training loop. Launch it as is, or under `accelerate launch` for several processes or GPUs.

Everything random is a function of the seed and the epoch, so a run that goes on from a checkpoint ends with
the same weights as one that was never interrupted.
"""

import json
import resource
import signal
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Literal, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from blemish.checkpoint import load_checkpoint, save_checkpoint
from blemish.config import TrainingConfig
from blemish.errors import BlemishError
from blemish.models.base import AnomalyModel, Batch, images_to_tensor
from blemish.progress import progress_bar


class Interrupted(BlemishError):
    """Ctrl-C during training; a checkpoint was saved."""


@dataclass
class Position:
    """Where a run stands."""

    step: int = 0
    epoch_loss: float = 0.0
    best_epoch: int = 0
    best_loss: float = float("inf")
    log_bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class TrainingSummary:
    """What training did: for the model file and the user."""

    epochs: int
    best_epoch: int
    best_validation_loss: float
    seconds: float
    seconds_per_epoch: float
    peak_memory_mb: float
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


def split_indices(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split range(count) at random into training and held-out indices, both sorted.

    floor(share * count) are held out, but at least one image stays on each side.
    """
    held_out = min(max(int(share * count), 1), count - 1)
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


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
        checkpoint: file to keep the state in; removed at the end.
        log: JSONL file, one object per epoch.
        fingerprint: what a checkpoint must have been made with to go on from it.
        resume: go on from `checkpoint`.
        quiet: no progress bar.

    Raises:
        Interrupted: Ctrl-C; the checkpoint is there.
        BlemishError: the checkpoint belongs to another run, or the loss is no longer finite.
    """
    mixed_precision = choose_precision(config.precision)
    accelerator = Accelerator(
        mixed_precision=mixed_precision,
        log_with=None if config.tracker == "none" else config.tracker,
        project_dir=log.parent,
    )
    set_seed(config.seed, deterministic=config.deterministic)
    if config.tracker != "none":
        accelerator.init_trackers("blemish", config=config.model_dump())

    updates = model.updates()
    optimisers = [
        torch.optim.Adam(update.parameters, config.learning_rate, weight_decay=config.weight_decay, fused=True)
        for update in updates
    ]
    model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    losses = accelerator.prepare_model(_Losses(model))
    batches = _Batches(model, images, accelerator, config)

    position = Position()
    best = {name: value.detach().clone() for name, value in model.state_dict().items()}
    if resume:
        position = Position(**load_checkpoint(checkpoint, fingerprint, model, best, optimisers))
    steps_per_epoch = -(-len(train_indices) // config.batch_size)
    total = config.epochs * steps_per_epoch
    log_file = _open_log(log, position.log_bytes) if accelerator.is_main_process else None
    started = time.monotonic() - position.seconds

    def save() -> None:
        position.seconds = time.monotonic() - started
        if log_file:
            position.log_bytes = log_file.tell()
            save_checkpoint(checkpoint, fingerprint, asdict(position), model, best, optimisers)

    with (
        _Interruption() as interruption,
        progress_bar("Training", total, done=position.step, quiet=quiet) as advance,
    ):
        saved_at = epoch_started = time.monotonic()
        note = ""
        while position.step < total:
            epoch, batch_number = divmod(position.step, steps_per_epoch)
            if batch_number == 0:
                model.train()
                position.epoch_loss = 0.0
                epoch_started = time.monotonic()
            chosen = _epoch_order(train_indices, config.seed, epoch)[batch_number * config.batch_size :]
            batch = batches.get(chosen[: config.batch_size])
            rate = config.learning_rate * config.lr_decay ** (position.step / total)
            for number, optimiser in enumerate(optimisers):
                for group in optimiser.param_groups:
                    group["lr"] = rate
                optimiser.zero_grad()
                loss = losses(number, batch)
                accelerator.backward(loss)
                optimiser.step()
            position.step += 1
            position.epoch_loss += loss.item() / steps_per_epoch
            if not np.isfinite(position.epoch_loss):
                raise BlemishError(
                    f"The loss became {position.epoch_loss} in epoch {epoch + 1}; lower training.learning_rate "
                    f"or set training.precision to fp32. The last good checkpoint is {checkpoint}."
                )
            if position.step % steps_per_epoch == 0:
                validation_loss = _validate(model, batches, validation_indices, config.batch_size)
                if validation_loss < position.best_loss:
                    position.best_loss, position.best_epoch = validation_loss, epoch + 1
                    best = {name: value.detach().clone() for name, value in model.state_dict().items()}
                entry = {
                    "epoch": epoch + 1,
                    "step": position.step,
                    "train_loss": position.epoch_loss,
                    "validation_loss": validation_loss,
                    "learning_rate": rate,
                    "seconds": round(time.monotonic() - epoch_started, 3),
                }
                if log_file:
                    log_file.write(json.dumps(entry) + "\n")
                    log_file.flush()
                accelerator.log({k: v for k, v in entry.items() if "loss" in k}, step=position.step)
                note = f"epoch {epoch + 1}, validation loss {validation_loss:.4f}"
            advance(note=note)
            if interruption.asked:
                save()
                raise Interrupted(
                    f"Stopped after epoch {position.step / steps_per_epoch:.1f} of {config.epochs}; "
                    "the same command with --resume goes on from there."
                )
            if position.step < total and time.monotonic() - saved_at >= config.checkpoint_seconds:
                save()
                saved_at = time.monotonic()

    accelerator.end_training()
    model.load_state_dict(best)
    model.eval()
    if log_file:
        log_file.close()
    seconds = time.monotonic() - started
    return TrainingSummary(
        epochs=config.epochs,
        best_epoch=position.best_epoch,
        best_validation_loss=position.best_loss,
        seconds=round(seconds, 1),
        seconds_per_epoch=round(seconds / config.epochs, 3),
        peak_memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        precision="bf16" if mixed_precision == "bf16" else "fp32",
        processes=accelerator.num_processes,
    )


class _Batches:
    """Batches of this process's share of the asked rows, with frozen features from a cache if they fit."""

    def __init__(
        self, model: AnomalyModel, images: np.ndarray, accelerator: Accelerator, config: TrainingConfig
    ) -> None:
        self.model, self.images, self.accelerator = model, images, accelerator
        self.cache: list[Tensor] | None = None
        budget = config.cache_gigabytes * 1e9 - (0 if isinstance(images, np.memmap) else images.nbytes)
        first = self._compute(np.arange(min(2, len(images))))
        bytes_each = sum(f[0].numel() * f.element_size() for f in first)
        if 0 < bytes_each * len(images) <= budget:
            self.cache = [torch.empty(len(images), *f.shape[1:], dtype=f.dtype) for f in first]
            for start in range(0, len(images), config.batch_size):
                rows = np.arange(start, min(start + config.batch_size, len(images)))
                for stored, computed in zip(self.cache, self._compute(rows), strict=True):
                    stored[start : start + len(rows)] = computed

    def _tensor(self, rows: np.ndarray) -> Tensor:
        return images_to_tensor(self.images[rows]).to(self.accelerator.device)

    @torch.no_grad()
    def _compute(self, rows: np.ndarray) -> tuple[Tensor, ...]:
        with self.accelerator.autocast():
            return self.model.frozen_features(self._tensor(rows))

    def get(self, rows: np.ndarray) -> Batch:
        """The batch of these rows; with several processes, this one's share, padded to equal size."""
        with self.accelerator.split_between_processes(rows, apply_padding=True) as share:
            own = np.asarray(share)
        if self.cache is None:
            return Batch(self._tensor(own), self._compute(own))
        index = torch.from_numpy(own)
        return Batch(
            self._tensor(own), tuple(stored[index].to(self.accelerator.device) for stored in self.cache)
        )


@torch.no_grad()
def _validate(model: AnomalyModel, batches: _Batches, rows: np.ndarray, batch_size: int) -> float:
    """Mean validation loss over the held-out rows, each counted once."""
    model.eval()
    collected = []
    for start in range(0, len(rows), batch_size):
        batch_rows = rows[start : start + batch_size]
        with batches.accelerator.autocast():
            values = model.validation_loss(batches.get(batch_rows)).float()
        collected.append(batches.accelerator.gather(values)[: len(batch_rows)])
    model.train()
    return float(torch.cat(collected).mean())


def _epoch_order(indices: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    return cast(np.ndarray, np.random.default_rng([seed, epoch]).permutation(indices))


def _open_log(path: Path, keep_bytes: int) -> Any:
    """Open the log for appending, cut back to what the checkpoint knew of it."""
    file = path.open("r+" if keep_bytes and path.exists() else "w", encoding="utf-8")
    file.truncate(keep_bytes)
    file.seek(0, 2)
    return file


class _Interruption:
    """Turns Ctrl-C into a wish that the loop grants between two steps; a second one stops at once."""

    asked = False

    def __enter__(self) -> "_Interruption":
        self._previous = signal.getsignal(signal.SIGINT)
        try:
            signal.signal(signal.SIGINT, self._ask)
        except ValueError:  # not the main thread: the caller handles interrupts
            pass
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *exception: object) -> None:
        if signal.getsignal(signal.SIGINT) == self._ask:
            signal.signal(signal.SIGINT, self._previous)
