"""From good images to a calibrated model file."""

import hashlib
import importlib.util
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blemish.config import RunConfig
from blemish.datasets import Dataset
from blemish.datasets.checks import check_trainable
from blemish.datasets.loading import load_frames
from blemish.errors import BlemishError, ConfigError
from blemish.images import MIN_SIDE, frame_digest, image_size, visible_share
from blemish.models.config import ModelConfig
from blemish.models.registry import model_class
from blemish.models.training_free_config import TrainingFreeConfig
from blemish.models.weights import RANDOM, WeightsSource, find_weights
from blemish.progress import progress_bar

if TYPE_CHECKING:
    from blemish.detector import Detector

# what may change when a run goes on: how long it trains and what keeps it from collapsing
CHANGEABLE = {"epochs", "learning_rate", "precision", "checkpoint_seconds", "tracker"}

# the fields of `TrainingConfig` that mean something where nothing is trained
ONE_PASS = {"validation_share", "seed", "deterministic", "cache_gigabytes"}

MOSTLY_VISIBLE = 0.7  # the paper's 224 of 256 pixels leave 77 % of a square image


def fit_dataset(
    dataset: Dataset,
    config: RunConfig,
    out: Path,
    *,
    weights: str | Path | None = None,
    resume: bool = False,
    skip_unreadable: bool = False,
    quiet: bool = False,
    say: Callable[[str], None] = lambda message: None,
) -> "Detector":
    """Learn what normal looks like and write the model file.

    Args:
        dataset: `train` is learned from; `test` is not touched.
        config: of the run.
        out: the .safetensors file to write; checkpoint and log lie beside it.
        weights: ImageNet weights of the backbone; None looks for installed, cached or hub weights.
        resume: go on from the checkpoint beside `out`.
        skip_unreadable: leave unreadable files out instead of stopping.
        quiet: no progress bars.
        say: called with each sentence that the user should read.

    Raises:
        BlemishError: the images, the weights or the output file cannot be used; nothing was written.
    """
    if importlib.util.find_spec("torch") is None:
        raise BlemishError('Fitting needs PyTorch: pip install "blemish[train]".')
    if os.environ.get("RANK", "0") != "0":  # one voice among several processes
        quiet, say = True, lambda message: None
    check_one_pass(config, resume)
    checkpoint, log = check_out(out, resume)
    _check_tracker(config.training.tracker)
    check_trainable(dataset)
    backbone = getattr(config.model, "backbone", None)
    if weights and not backbone:
        raise ConfigError(f"{config.method} has no pre-trained backbone; leave out --weights.")
    source = find_weights(backbone, weights) if backbone and weights != RANDOM else None

    with progress_bar("Reading images", len(dataset.train), quiet=quiet) as advance:
        images, samples, skipped = load_frames(
            dataset.train,
            config.frame,
            skip_unreadable=skip_unreadable,
            progress=lambda done, total: advance(),
            out=_image_store(len(dataset.train), config, out.parent),
        )
    for _, reason in skipped:
        say(f"Skipped: {reason}")
    if skipped:
        say(f"{len(skipped)} of {len(dataset.train)} images were skipped as unreadable.")
    check_trainable(Dataset(dataset.name, train=samples))
    share = visible_share(*image_size(samples[0].path), config.frame)
    if share < MOSTLY_VISIBLE:
        say(
            f"The crop shows the network {share:.0%} of {samples[0].path.name}; "
            "set frame.crop=none to show it whole images."
        )
    width, height = image_size(samples[0].path)
    if not backbone and max(width, height) < config.frame.size:
        enlarged = f"{samples[0].path.name} is enlarged from {width} x {height} to {config.frame.size} pixels"
        cheaper = _largest_size(config.model, min(width, height))
        say(f"{enlarged}; frame.resize={cheaper} would cost less." if cheaper else f"{enlarged}.")
    return _fit_images(
        images, dataset.name, config, out, checkpoint, log, source, resume=resume, quiet=quiet, say=say
    )


def _fit_images(
    images: np.ndarray,
    name: str,
    config: RunConfig,
    out: Path,
    checkpoint: Path,
    log: Path,
    source: WeightsSource | None,
    *,
    resume: bool,
    quiet: bool,
    say: Callable[[str], None],
) -> "Detector":
    import torch
    from accelerate import PartialState

    from blemish.batches import split_indices
    from blemish.calibration import Calibration
    from blemish.detector import Detector
    from blemish.engines.torch import TorchEngine
    from blemish.modelfile import Metadata, write_model
    from blemish.models.base import TrainedModel, TrainingFreeModel
    from blemish.models.weights import read_weights
    from blemish.one_pass import OnePassSummary, learn_in_one_pass
    from blemish.training import TrainingSummary, train

    unfinished_log = log.with_name(log.name + ".part")  # an older log stays as long as its model
    digest = hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
    torch.manual_seed(config.training.seed)
    model = model_class(config.method)(config.model, config.frame.size)
    teacher = ""
    if source:
        model.load_teacher(read_weights(source))
        teacher = source.description
    elif hasattr(config.model, "backbone"):
        teacher = "random weights: for tests only, detects nothing"
        say(f"The teacher has {teacher}.")
    learn, hold_out = split_indices(len(images), config.training.validation_share, config.training.seed)
    say(f"{len(images)} good images: {len(learn)} to learn from, {len(hold_out)} held out.")
    summary: TrainingSummary | OnePassSummary
    training = config.training.model_dump(mode="json")
    remark = ""
    if isinstance(model, TrainingFreeModel):
        summary = learn_in_one_pass(model, images, learn, config.training, quiet=quiet)
        training = {name: training[name] for name in training if name in ONE_PASS}
    else:
        assert isinstance(model, TrainedModel)
        settings = config.model_dump_json(exclude={"training": CHANGEABLE})
        fingerprint = hashlib.sha256(f"{digest} {settings} {teacher}".encode()).hexdigest()
        summary = train(
            model,
            images,
            learn,
            hold_out,
            config.training,
            checkpoint=checkpoint,
            log=unfinished_log,
            fingerprint=fingerprint,
            resume=resume,
            quiet=quiet,
        )
        remark = model.remark(images[learn], images[hold_out], summary.validation_loss)
    if remark:
        say(remark)
    engine = TorchEngine(model)
    with progress_bar("Calibrating", len(hold_out), quiet=quiet) as advance:
        scores: list[float] = []
        peaks: list[float] = []
        for start in range(0, len(hold_out), 16):
            rows = hold_out[start : start + 16]
            batch_scores, maps = engine(images[rows])
            scores.extend(batch_scores.tolist())
            peaks.extend(maps.max(axis=(1, 2)).tolist())
            advance(len(rows))
    metadata = Metadata(
        method=config.method,
        preset=config.preset,
        config=config.model.model_dump(mode="json"),
        frame=config.frame,
        calibration=Calibration(np.array(scores), config.false_alarm_rate).to_dict(),
        map_peaks=peaks,
        teacher=teacher,
        training=training | {"summary": summary.to_dict(), "remark": remark},
        data={
            "name": name,
            "images": len(images),
            "held_out": len(hold_out),
            "sha256": digest,
            "frames": list(map(frame_digest, images)),
        },
        versions={"python": platform.python_version()}
        | {package: version(package) for package in ("blemish", "torch", "timm", "numpy")},
    )
    detector = Detector(engine, metadata)
    processes = PartialState()
    if processes.is_main_process:
        write_model(out, model.state_dict(), metadata)
        if isinstance(model, TrainedModel):
            unfinished_log.replace(log)
        else:
            log.unlink(missing_ok=True)  # of the model that was replaced
        for leftover in (checkpoint, checkpoint.with_name(checkpoint.name + ".part")):
            leftover.unlink(missing_ok=True)
    processes.wait_for_everyone()
    return detector


def _largest_size(model: ModelConfig, limit: int) -> int | None:
    """The largest frame up to `limit` pixels that a model takes."""
    for size in range(limit, MIN_SIDE - 1, -1):
        with suppress(ValueError):
            model.check_image_size(size)
            return size
    return None


def check_out(out: Path, resume: bool) -> tuple[Path, Path]:
    """Refuse an output file that cannot be written, before any work is done; name checkpoint and log.

    Raises:
        BlemishError: the file cannot be written, or the checkpoint beside it does not go with `resume`.
    """
    if out.suffix != ".safetensors":
        raise BlemishError(f"The model file {out} must end in .safetensors.")
    if not out.parent.is_dir():
        raise BlemishError(f"There is no folder {out.parent} to write {out.name} to; make it first.")
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise BlemishError(f"The model file {out} cannot be written; choose another place.")
    checkpoint = out.with_suffix(".checkpoint")
    if checkpoint.exists() and not resume:
        raise BlemishError(
            f"{checkpoint} holds an unfinished run: add --resume to go on with it, "
            "or delete it to start afresh."
        )
    if resume and not checkpoint.is_file():
        raise BlemishError(f"There is no checkpoint {checkpoint} to resume from; leave out --resume.")
    return checkpoint, out.with_suffix(".log.jsonl")


def check_one_pass(config: RunConfig, resume: bool) -> None:
    """Refuse what only makes sense where something is trained.

    Raises:
        ConfigError: the method fits in one pass, and `resume` or a field of the training is given.
    """
    if not isinstance(config.model, TrainingFreeConfig):
        return
    once = f"{config.method} fits in one pass"
    if resume:
        raise ConfigError(f"{once} and leaves nothing to resume; leave out --resume.")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(f"{once} in one process; start it without accelerate launch or torchrun.")
    for name in sorted(config.training.model_fields_set - ONE_PASS):
        option = "--epochs" if name == "epochs" else f"training.{name}"
        raise ConfigError(f"{once}; leave out {option}.")


def _check_tracker(tracker: str) -> None:
    """Refuse a tracker that is not installed; Accelerate would leave it out without a word."""
    if tracker != "none" and importlib.util.find_spec(tracker) is None:
        raise ConfigError(
            f'{tracker} is not installed; pip install "blemish[trackers]" or set another tracker.'
        )


def _image_store(count: int, config: RunConfig, folder: Path) -> np.ndarray | None:
    """A nameless file to decode into when the images do not fit the memory budget, else None."""
    size = config.frame.size
    needed = count * size * size * 3
    if needed <= config.training.cache_gigabytes * 1e9:
        return None
    if needed > (free := shutil.disk_usage(folder).free):
        raise BlemishError(
            f"The decoded images need {needed / 1e9:.1f} GB in {folder}, which has {free / 1e9:.1f} GB free; "
            "make room, or raise training.cache_gigabytes if there is memory for them."
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.uint8, "w+", shape=(count, size, size, 3))
