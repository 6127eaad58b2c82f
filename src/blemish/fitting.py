"""From good images to a calibrated model file."""

import hashlib
import importlib.util
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.config import RunConfig
from blemish.datasets import Dataset
from blemish.datasets.checks import check_trainable
from blemish.datasets.loading import Rows
from blemish.errors import BlemishError, ConfigError
from blemish.fit_checks import ONE_PASS, check_one_pass, check_out, check_tracker
from blemish.fit_images import read_images
from blemish.frame import Frame
from blemish.models.registry import model_class
from blemish.models.weights import RANDOM, WeightsSource, find_weights
from blemish.progress import progress_bar
from blemish.scoring import score_images

if TYPE_CHECKING:
    from blemish.detector import Detector
    from blemish.engines.base import Engine

# what may change when a run goes on: how long it trains and what keeps it from collapsing
CHANGEABLE = {"epochs", "learning_rate", "precision", "checkpoint_seconds", "tracker"}

BATCH_SIZE = 16  # where images are scored
PROBE_COUNT = 8  # held-out images, or tiles, that go into the model file
REMARKED = 500  # rows at most of each part that a model makes its remark on


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
    check_tracker(config.training.tracker)
    check_trainable(dataset)
    backbone = getattr(config.model, "backbone", None)
    if weights and not backbone:
        raise ConfigError(f"{config.method} has no pre-trained backbone; leave out --weights.")
    source = find_weights(backbone, weights) if backbone and weights != RANDOM else None

    rows = read_images(dataset, config, out.parent, skip_unreadable=skip_unreadable, quiet=quiet, say=say)
    return _fit_images(
        rows, dataset.name, config, out, checkpoint, log, source, resume=resume, quiet=quiet, say=say
    )


def _fit_images(
    rows: Rows,
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
    from blemish.modelfile import PROBES, Metadata, write_model
    from blemish.models.base import TrainedModel, TrainingFreeModel
    from blemish.models.weights import read_weights
    from blemish.one_pass import OnePassSummary, learn_in_one_pass
    from blemish.training import TrainingSummary, train

    unfinished_log = log.with_name(log.name + ".part")  # an older log stays as long as its model
    frame, images = config.frame, rows.images
    digest = hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
    torch.manual_seed(config.training.seed)
    model = model_class(config.method)(config.model, frame.size)
    teacher = ""
    if source:
        model.load_teacher(read_weights(source))
        teacher = source.description
    elif hasattr(config.model, "backbone"):
        teacher = "random weights: for tests only, detects nothing"
        say(f"The teacher has {teacher}.")
    count = len(rows.samples)
    learn, hold_out = split_indices(count, config.training.validation_share, config.training.seed)
    learn_rows, hold_out_rows = rows.of(learn), rows.of(hold_out)
    say(f"{count} good images: {len(learn)} to learn from, {len(hold_out)} held out.")
    if frame.tile:
        say(
            f"They were cut into {len(images)} tiles of {frame.size} x {frame.size}: {len(learn_rows)} to "
            f"learn from, {len(hold_out_rows)} held out."
        )
    summary: TrainingSummary | OnePassSummary
    training = config.training.model_dump(mode="json")
    remark = ""
    if isinstance(model, TrainingFreeModel):
        summary = learn_in_one_pass(model, images, learn_rows, config.training, quiet=quiet)
        training = {name: training[name] for name in training if name in ONE_PASS}
    else:
        assert isinstance(model, TrainedModel)
        unlearned: Any = {"training": CHANGEABLE, "model": config.model.scoring_only, "preset": True}
        settings = config.model_dump_json(exclude=unlearned)
        fingerprint = hashlib.sha256(f"{digest} {settings} {teacher}".encode()).hexdigest()
        summary = train(
            model,
            images,
            learn_rows,
            hold_out_rows,
            config.training,
            checkpoint=checkpoint,
            log=unfinished_log,
            fingerprint=fingerprint,
            resume=resume,
            quiet=quiet,
        )
        shown = images[_spread(learn_rows, REMARKED)], images[_spread(hold_out_rows, REMARKED)]
        remark = model.remark(*shown, summary.validation_loss)
    if remark:
        say(remark)
    engine = TorchEngine(model)
    with progress_bar("Calibrating", len(hold_out), quiet=quiet) as advance:
        scores, peaks = _calibrate(engine, rows, frame, hold_out, advance)
    metadata = Metadata(
        method=config.method,
        preset=config.preset,
        config=config.model.model_dump(mode="json"),
        frame=frame,
        calibration=Calibration(scores, config.false_alarm_rate).to_dict(),
        map_peaks=peaks.tolist(),
        teacher=teacher,
        training=training | {"summary": summary.to_dict(), "remark": remark},
        data={
            "name": name,
            "images": count,
            "held_out": len(hold_out),
            "sha256": digest,
            "frames": rows.digests,
        }
        | ({"tiles": len(images)} if frame.tile else {}),
        versions={"python": platform.python_version()}
        | {package: version(package) for package in ("blemish", "torch", "timm", "numpy")},
    )
    detector = Detector(engine, metadata)
    processes = PartialState()
    if processes.is_main_process:
        probes = torch.from_numpy(np.array(images[_spread(hold_out_rows, PROBE_COUNT)]))
        write_model(out, model.state_dict() | {PROBES: probes}, metadata)
        if isinstance(model, TrainedModel):
            unfinished_log.replace(log)
        else:
            log.unlink(missing_ok=True)  # of the model that was replaced
        for leftover in (checkpoint, checkpoint.with_name(checkpoint.name + ".part")):
            leftover.unlink(missing_ok=True)
    processes.wait_for_everyone()
    return detector


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Up to `most` of the rows at even distances."""
    return rows[:: -(-len(rows) // most)]


def _calibrate(
    engine: "Engine", rows: Rows, frame: Frame, hold_out: np.ndarray, advance: Callable[[int], None]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and map peaks of whole held-out images, float64 [K] each."""
    at_once = 1 if frame.tile else BATCH_SIZE  # a tiled picture may be large
    values: list[tuple[float, float]] = []
    for start in range(0, len(hold_out), at_once):
        chosen = hold_out[start : start + at_once]
        pictures = [rows.picture(index, frame) for index in chosen]
        scored = score_images(engine, frame, pictures, BATCH_SIZE)
        values += [(score, float(anomaly_map.max())) for score, anomaly_map in scored]
        advance(len(chosen))
    scores, peaks = np.array(values).T
    return scores, peaks
