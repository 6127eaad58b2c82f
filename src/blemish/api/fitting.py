"""From good images to a detector."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blemish.api.detector import Detector
from blemish.datasets import Source
from blemish.errors import Interrupted
from blemish.inference.model_file import Metadata
from blemish.progress import show_messages_to_people

if TYPE_CHECKING:
    from blemish.inference.detector import Detector as BaseDetector


def fit(
    data: Source,
    *,
    held_out: str | None = None,
    data_root: str | Path | None = None,
    out: str | Path | None = None,
    config: str | Path | None = None,
    assignments: Iterable[str] = (),
    weights: str | Path | None = None,
    resume: bool = False,
    skip_unreadable: bool = False,
    exclude: str | Path | None = None,
    method: str | None = None,
    preset: str | None = None,
    backbone: str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    deterministic: bool | None = None,
    tile: int | None = None,
    overlap: float | None = None,
    align: bool | None = None,
    tolerate: str | Sequence[str] | None = None,
    contamination: float | None = None,
    false_alarm_rate: float | None = None,
) -> Detector:
    """Learn what normal looks like from good images.

    In a terminal or a notebook it says what it does (`blemish.progress`).

    Args:
        data: a folder of good images, a folder in the MVTec layout, a
            .csv table, or a `Dataset`; with `held_out` a folder of class folders, "cifar10" or "stl10".
        held_out: the class to leave out as the abnormal one.
        data_root: where cifar10 and stl10 lie or are downloaded to; None is ~/.cache/blemish.
        out: .safetensors file to write; None keeps the model as long as the detector lives, to be saved.
        config: a TOML file with fields of `blemish.training.config.RunConfig`.
        assignments: texts such as "model.tfm_depth=1", stronger than `config`.
        weights: the backbone's ImageNet weights; None looks for installed, cached or hub weights.
        resume: go on from the checkpoint beside `out`.
        skip_unreadable: leave unreadable files out instead of stopping.
        exclude: a text file that names images to leave out, one path a line.
        method: name of the model to fit; this and what follows are stronger than `assignments`.
        preset: a named set of values of the method's configuration, such as gtrans's "paper"; weaker than
            `config` and `assignments`.
        backbone: an alias such as "resnet34" or a timm model name.
        epochs: passes over the images.
        seed: of everything random.
        deterministic: insist on deterministic kernels.
        tile: side in pixels of the square tiles that large images are cut into at their own resolution; None
            shows the network whole images.
        overlap: share of a tile, in [0, 0.75], by which neighbours overlap; None means 0.25.
        align: move each image onto one of the good ones first, by up to 20 % of a side and 25 degrees; needs
            the extra "align".
        tolerate: differences that are no defects, of "light", "place" and "turn": a list, or a text with
            commas between them; the default method and the others that fit in one pass take it.
        contamination: share of the images, the oddest ones, that is not learned from, in [0, 0.5); for
            methods with a backbone.
        false_alarm_rate: share of good images that may be called anomalous, in (0, 1).

    Raises:
        BlemishError: something given cannot be used; the message says what to do.
    """
    from blemish.training.config import build_config
    from blemish.training.fit import fit as fit_model

    show_messages_to_people()
    values = {
        "method": method,
        "preset": preset,
        "frame": {"tile": tile, "overlap": overlap, "align": align},
        "model": {"backbone": backbone},
        "training": {"epochs": epochs, "seed": seed, "deterministic": deterministic},
        "tolerate": tolerate,
        "contamination": contamination,
        "false_alarm_rate": false_alarm_rate,
    }
    run = build_config(config, assignments, values)
    options: dict[str, Any] = {
        "held_out": held_out,
        "data_root": data_root,
        "weights": weights,
        "resume": resume,
        "skip_unreadable": skip_unreadable,
        "exclude": exclude,
    }
    if out is not None:
        return _of_file(fit_model(data, run, Path(out), **options), Path(out))
    folder = tempfile.mkdtemp(prefix="blemish-")
    file = Path(folder) / "model.safetensors"
    try:
        detector = _of_file(fit_model(data, run, file, **options), file)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, Interrupted):
            raise Interrupted("Stopped; without a file to write to, nothing was kept.") from error
        raise
    weakref.finalize(detector, _remove, folder, os.getpid())
    return detector


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:  # no forked one
        shutil.rmtree(folder, ignore_errors=True)


def _of_file(fitted: "BaseDetector", file: Path) -> Detector:
    detector = Detector(fitted.engine, Metadata.model_validate(fitted.metadata))
    detector.path = file.absolute()
    return detector
