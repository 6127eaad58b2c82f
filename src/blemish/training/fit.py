"""From good images to a calibrated model file."""

import hashlib
import importlib.util
import logging
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blemish.datasets import Source, check_trainable, read_dataset
from blemish.errors import BlemishError, ConfigError
from blemish.inference.scoring import calibrate
from blemish.models.registry import model_class
from blemish.models.weights import RANDOM, WeightsSource, find_weights
from blemish.progress import LOGGER, progress_bar
from blemish.training.checks import ONE_PASS, check_one_pass, check_out, check_tracker, process_rank
from blemish.training.config import RunConfig
from blemish.training.read_images import read_images

if TYPE_CHECKING:
    from blemish.inference.detector import Detector
    from blemish.models.base import AnomalyModel
    from blemish.training.loop import TrainingSummary
    from blemish.training.one_pass import OnePassSummary

# what may change when a run goes on: how long it trains and what keeps it from collapsing
CHANGEABLE = {"epochs", "learning_rate", "precision", "checkpoint_seconds", "tracker"}

PROBE_COUNT = 8  # held-out images, or tiles, that go into the model file
REMARKED = 500  # rows at most of each part that a model makes its remark on

log = logging.getLogger(__name__)


def fit(
    data: Source,
    config: RunConfig,
    out: Path,
    *,
    held_out: str | None = None,
    data_root: str | Path | None = None,
    weights: str | Path | None = None,
    resume: bool = False,
    skip_unreadable: bool = False,
) -> "Detector":
    """Learn what normal looks like and write the model file.

    Args:
        data, held_out, data_root: see `blemish.datasets.read_dataset`; `train` is learned from, `test` is not
            touched.
        config: of the run.
        out: the .safetensors file to write; checkpoint and log lie beside it.
        weights: ImageNet weights of the backbone; None looks for installed, cached or hub weights.
        resume: go on from the checkpoint beside `out`.
        skip_unreadable: leave unreadable files out instead of stopping.

    Raises:
        BlemishError: the images, the weights or the output file cannot be used; nothing was written.
    """
    if importlib.util.find_spec("torch") is None:
        raise BlemishError('Fitting needs PyTorch: pip install "blemish[train]".')
    if process_rank():  # one voice among several processes
        LOGGER.setLevel(logging.ERROR)
    check_one_pass(config, resume)
    checkpoint, log_file = check_out(out, resume)
    check_tracker(config.training.tracker)
    dataset = read_dataset(data, held_out=held_out, data_root=data_root)
    check_trainable(dataset)
    backbone = getattr(config.model, "backbone", None)
    if weights and not backbone:
        raise ConfigError(f"{config.method} has no pre-trained backbone; leave out --weights.")
    source = find_weights(backbone, weights) if backbone and weights != RANDOM else None
    log.info(f"Fitting {config.method}, preset {config.preset}.")
    rows = read_images(dataset, config, out.parent, skip_unreadable=skip_unreadable)

    import torch

    from blemish.calibration import Calibration
    from blemish.inference.detector import Detector
    from blemish.inference.engines.torch import TorchEngine
    from blemish.inference.model_file import PROBES, Metadata, write_model
    from blemish.models.base import TrainedModel, TrainingFreeModel
    from blemish.training.batches import split_indices
    from blemish.training.one_pass import learn_in_one_pass
    from blemish.training.processes import main_process_first

    images, count = rows.images, len(rows.samples)
    digest = hashlib.sha256(np.ascontiguousarray(images).data).hexdigest()
    model, teacher = _build(config, source)
    learn, hold_out = split_indices(count, config.training.validation_share, config.training.seed)
    learn_rows, hold_out_rows = rows.of(learn), rows.of(hold_out)
    log.info(f"{count} good images: {len(learn)} to learn from, {len(hold_out)} held out.")
    if config.frame.tile:
        log.info(
            f"They were cut into {len(images)} tiles of {config.frame.size} x {config.frame.size}: "
            f"{len(learn_rows)} to learn from, {len(hold_out_rows)} held out."
        )
    training = config.training.model_dump(mode="json")
    summary: TrainingSummary | OnePassSummary
    remark = ""
    if isinstance(model, TrainingFreeModel):
        summary = learn_in_one_pass(model, images, learn_rows, config.training)
        training = {name: training[name] for name in training if name in ONE_PASS}
    else:
        assert isinstance(model, TrainedModel)
        from blemish.training.loop import train

        unlearned: Any = {"training": CHANGEABLE, "model": config.model.scoring_only, "preset": True}
        settings = config.model_dump_json(exclude=unlearned)
        summary = train(
            model,
            images,
            learn_rows,
            hold_out_rows,
            config.training,
            checkpoint=checkpoint,
            log=log_file.with_name(log_file.name + ".part"),  # an older log stays as long as its model
            fingerprint=hashlib.sha256(f"{digest} {settings} {teacher}".encode()).hexdigest(),
            resume=resume,
        )
        shown = images[_spread(learn_rows, REMARKED)], images[_spread(hold_out_rows, REMARKED)]
        remark = model.remark(*shown, summary.validation_loss)
        if remark:
            log.warning(remark)
    engine = TorchEngine(model)
    with progress_bar("Calibrating", len(hold_out)) as advance:
        pictures = (rows.picture(index, config.frame) for index in hold_out)
        scores, peaks = calibrate(engine, config.frame, pictures, advance)
    calibration = Calibration(scores, config.false_alarm_rate)
    metadata = Metadata(
        method=config.method,
        preset=config.preset,
        config=config.model.model_dump(mode="json"),
        frame=config.frame,
        calibration=calibration.to_dict(),
        map_peaks=peaks,
        teacher=teacher,
        training=training | {"summary": summary.to_dict(), "remark": remark},
        data={
            "name": dataset.name,
            "images": count,
            "held_out": len(hold_out),
            "sha256": digest,
            "frames": rows.digests,
        }
        | ({"tiles": len(images)} if config.frame.tile else {}),
        versions={"python": platform.python_version()}
        | {package: version(package) for package in ("blemish", "torch", "timm", "numpy")},
    )
    if calibration.note:
        log.warning(calibration.note)
    with main_process_first() as writes:
        if writes:
            probes = torch.from_numpy(np.array(images[_spread(hold_out_rows, PROBE_COUNT)]))
            write_model(out, model.state_dict() | {PROBES: probes}, metadata)
            _tidy(checkpoint, log_file, trained=isinstance(model, TrainedModel))
    return Detector(engine, metadata)


def _build(config: RunConfig, source: WeightsSource | None) -> "tuple[AnomalyModel, str]":
    """The model with its teacher's weights, and where these came from; "" for a method without."""
    import torch

    from blemish.models.weights import read_weights

    torch.manual_seed(config.training.seed)
    model = model_class(config.method)(config.model, config.frame.size)
    if source:
        model.load_teacher(read_weights(source))
        return model, source.description
    if not hasattr(config.model, "backbone"):
        return model, ""
    teacher = "random weights: for tests only, detects nothing"
    log.warning(f"The teacher has {teacher}.")
    return model, teacher


def _tidy(checkpoint: Path, log_file: Path, *, trained: bool) -> None:
    """Give the log its name, or remove that of a replaced model; remove the checkpoint."""
    if trained:
        log_file.with_name(log_file.name + ".part").replace(log_file)
    else:
        log_file.unlink(missing_ok=True)
    for leftover in (checkpoint, checkpoint.with_name(checkpoint.name + ".part")):
        leftover.unlink(missing_ok=True)


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Up to `most` of the rows at even distances."""
    return rows[:: -(-len(rows) // most)]
