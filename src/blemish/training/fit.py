"""From good images to a calibrated model file."""

import hashlib
import importlib.util
import logging
import platform
from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from blemish.datasets import Dataset, Source, check_trainable, read_dataset, without_listed
from blemish.errors import BlemishError
from blemish.extras import install_command
from blemish.files import check_output, end_of_links, unfinished, whole_file, writing
from blemish.images.frame import hidden, sight, visible_share
from blemish.inference.held_out_maps import packed, peaks_of
from blemish.inference.model_file import HELD_OUT_MAPS, PROBES, Metadata, model_bytes
from blemish.models.config import full_name
from blemish.models.memory_bank.config import TrainingFreeConfig
from blemish.progress import LOGGER
from blemish.training.backbone import build_model, find_teacher, suited_to_backbone
from blemish.training.calibrate import calibrate_model
from blemish.training.checks import check_run, one_pass_fields, process_count, process_rank
from blemish.training.config import RunConfig
from blemish.training.read_images import GoodImages, read_images, shapes_of, with_reference

if TYPE_CHECKING:
    from blemish.inference.detector import Detector
    from blemish.models.base import AnomalyModel

# what may change when a run goes on: how long it trains and what keeps it from collapsing
CHANGEABLE = {"epochs", "learning_rate", "precision", "checkpoint_seconds", "tracker"}

PROBE_COUNT = 8  # held-out images, or tiles, that go into the model file
REMARKED = 500  # rows at most of each part that a model makes its remark on

log = logging.getLogger(__name__)


class RunFiles:
    """The model file and, beside it, the checkpoint and the log of a training.

    The log of an unfinished training has .part behind its name: an older one stays as long as its model.
    """

    def __init__(self, model: Path) -> None:
        self.model = model
        self.checkpoint, self.log = (
            end_of_links(model.with_suffix(end)) for end in (".checkpoint", ".log.jsonl")
        )
        self.unfinished_log = unfinished(self.log)

    def check(self) -> None:
        """Refuse files that cannot be written."""
        if self.model.suffix != ".safetensors":
            raise BlemishError(f"The model file {self.model} must end in .safetensors.")
        check_output(self.model)
        for path in (self.checkpoint, self.log):
            if path.exists() and not path.is_file():
                raise BlemishError(f"{path} is no regular file; move it away, or name another model file.")

    def check_checkpoint(self, *, resume: bool) -> None:
        """Refuse a checkpoint that does not go with `resume`."""
        if self.checkpoint.exists() and not resume:
            raise BlemishError(
                f"{self.checkpoint} holds an unfinished run: add --resume to go on with it, "
                "or delete it to start afresh."
            )
        if resume and not self.checkpoint.is_file():
            raise BlemishError(
                f"There is no checkpoint {self.checkpoint} to resume from; leave out --resume."
            )

    def finish(self, *, trained: bool) -> None:
        """Once the model is there, its log takes its name; one of a model that was replaced goes."""
        if trained:
            self.unfinished_log.replace(self.log)
        else:
            self.log.unlink(missing_ok=True)
        for leftover in (self.checkpoint, unfinished(self.checkpoint)):
            leftover.unlink(missing_ok=True)


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
    exclude: str | Path | None = None,
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
        exclude: see `blemish.datasets.without_listed`.

    Raises:
        BlemishError: the images, the weights or the output file cannot be used; nothing was written.
    """
    if importlib.util.find_spec("torch") is None:
        raise BlemishError(f"Fitting needs PyTorch: {install_command('train')}.")
    if process_rank():  # one voice among several processes
        LOGGER.setLevel(logging.ERROR)
    files = RunFiles(out)
    check_run(config, weights=bool(weights), resume=resume)
    files.check()
    first = process_rank() == 0
    with whole_file(out, "wb") if first else nullcontext() as file:  # held: another run is refused
        files.check_checkpoint(resume=resume)
        dataset = without_listed(read_dataset(data, held_out=held_out, data_root=data_root), exclude)
        detector = _fit(config, files, file, dataset, weights, resume, skip_unreadable)
    if first:
        files.finish(trained=not isinstance(config.model, TrainingFreeConfig))
    if process_count() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
    return detector


def _fit(
    config: RunConfig,
    files: RunFiles,
    file: IO[bytes] | None,
    dataset: Dataset,
    weights: str | Path | None,
    resume: bool,
    skip_unreadable: bool,
) -> "Detector":
    check_trainable(dataset)
    source = find_teacher(config, weights)
    shapes = list(shapes_of(dataset.train))
    config = suited_to_backbone(config, shapes)
    config = with_reference(config, dataset.train, shapes)
    share = min((visible_share(width, height, config.frame) for height, width in shapes), default=1.0)
    _tell_what(config, share)
    images = read_images(dataset, config, files.model.parent, skip_unreadable=skip_unreadable)

    from blemish.inference.detector import Detector
    from blemish.inference.engines.torch import TorchEngine
    from blemish.models.settings import kept_random_states, usual_settings
    from blemish.training.oddness import without_oddest

    with usual_settings(), kept_random_states():
        if config.contamination:
            images = without_oddest(images, source)
        images.tell()
        model, teacher = build_model(config, source)
        training = _learn(model, images, config, files, teacher, resume)
        engine = TorchEngine(model)
        calibration, maps = calibrate_model(engine, images)
    metadata = Metadata(
        method=config.method,
        preset=config.preset,
        config=config.model.model_dump(mode="json"),
        frame=config.frame,
        tolerate=config.tolerate,
        calibration=calibration.to_dict(),
        map_peaks=peaks_of(maps),
        known_part=images.known_part(),
        teacher=teacher,
        training=training,
        data={
            "name": dataset.name,
            "images": len(images.rows.samples),
            "held_out": 0 if config.model.leave_one_out else len(images.held_out),
            "sha256": images.digest,
            "frames": images.rows.digests,
        }
        | ({"groups": groups.tolist()} if len(np.unique(groups := images.rows.groups)) < len(groups) else {})
        | ({"left_out": left_out} if (left_out := images.rows.left_out) else {})
        | ({"contamination": config.contamination} if config.contamination else {})
        | ({"tiles": images.tiles} if config.frame.tile else {})
        | ({"visible_share": share} if config.frame.crop else {}),
        versions={"python": platform.python_version()}
        | {package: version(package) for package in ("blemish", "torch", "timm", "numpy")},
    )
    if file:
        _write(model, images, maps, metadata, files.model, file)
    return Detector(engine, metadata)


def _tell_what(config: RunConfig, share: float) -> None:
    """What is fitted, and what the network sees: at the least this share of a picture."""
    named = full_name(config.method, config.preset, getattr(config.model, "backbone", None))
    log.info(f"Fitting {named}, to {sight(config.frame, share)}.")
    if remark := hidden(config.frame, share):
        log.warning(remark)


def _learn(
    model: "AnomalyModel", images: GoodImages, config: RunConfig, files: RunFiles, teacher: str, resume: bool
) -> dict[str, Any]:
    """Train the model, or let it look at the images once; what the model file says of that."""
    from blemish.models.base import TrainedModel, TrainingFreeModel
    from blemish.training.loop import train
    from blemish.training.one_pass import learn_in_one_pass

    if isinstance(model, TrainingFreeModel):
        once = learn_in_one_pass(model, images.rows.images, images.learn_rows, config.training)
        return config.training.model_dump(mode="json", include=one_pass_fields(type(config.model))) | {
            "summary": once,
            "remark": "",
        }
    assert isinstance(model, TrainedModel)
    unlearned: Any = {"training": CHANGEABLE, "model": config.model.scoring_only, "preset": True}
    settings = config.model_dump_json(exclude=unlearned)
    summary = train(
        model,
        images.rows.images,
        images.learn_rows,
        images.held_out_rows,
        config.training,
        checkpoint=files.checkpoint,
        log=files.unfinished_log,
        fingerprint=hashlib.sha256(f"{images.digest} {settings} {teacher}".encode()).hexdigest(),
        resume=resume,
    )
    shown = images.some(images.learn_rows, REMARKED), images.some(images.held_out_rows, REMARKED)
    if remark := model.remark(*shown, summary.validation_loss):
        log.warning(remark)
    return config.training.model_dump(mode="json") | {"summary": asdict(summary), "remark": remark}


def _write(
    model: "AnomalyModel",
    images: GoodImages,
    maps: list[np.ndarray],
    metadata: Metadata,
    path: Path,
    file: IO[bytes],
) -> None:
    """Write the model with its held-out maps and some images that calibrate; mirrored if it knows them."""
    import torch

    probes = images.some(images.held_out_rows, PROBE_COUNT)
    if images.config.model.remembers_all:
        probes = probes[:, :, ::-1]
    beside = {PROBES: torch.from_numpy(probes.copy()), HELD_OUT_MAPS: torch.from_numpy(packed(maps))}
    content = model_bytes(model.state_dict() | beside, metadata)
    with writing(path):
        file.write(content)
