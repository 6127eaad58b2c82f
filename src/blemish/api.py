"""The Python API; the command line calls the same functions."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blemish.datasets import Dataset, read_dataset, read_good_bad
from blemish.errors import DatasetError, Interrupted

if TYPE_CHECKING:
    from blemish.detector import Detector
    from blemish.evaluation import Evaluation

Source = str | Path | Dataset


def fit(
    data: Source,
    *,
    out: str | Path | None = None,
    config: str | Path | None = None,
    assignments: Iterable[str] = (),
    weights: str | Path | None = None,
    resume: bool = False,
    skip_unreadable: bool = False,
    quiet: bool = True,
    say: Callable[[str], None] = lambda message: None,
    method: str | None = None,
    backbone: str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    deterministic: bool | None = None,
    false_alarm_rate: float | None = None,
) -> "Detector":
    """Learn what normal looks like from good images.

    Args:
        data: a folder of good images (its subfolders are not searched), a folder in the MVTec layout, a
            .csv table, or a `Dataset`.
        out: .safetensors file to write; None keeps the model in memory only.
        config: a TOML file with fields of `blemish.config.RunConfig`.
        assignments: texts such as "model.tfm_depth=1", stronger than `config`.
        weights: the backbone's ImageNet weights; None looks for installed, cached or hub weights.
        resume: go on from the checkpoint beside `out`.
        skip_unreadable: leave unreadable files out instead of stopping.
        quiet: no progress bars.
        say: called with each sentence that the user should read.
        method: name of the model to fit; this and what follows are stronger than `assignments`.
        backbone: an alias such as "resnet34" or a timm model name.
        epochs: passes over the images.
        seed: of everything random.
        deterministic: insist on deterministic kernels.
        false_alarm_rate: share of good images that may be called anomalous, in (0, 1).

    Raises:
        BlemishError: something given cannot be used; the message says what to do.
    """
    from blemish.config import build_config
    from blemish.fitting import fit_dataset

    run = build_config(
        config,
        assignments,
        method=method,
        model__backbone=backbone,
        training__epochs=epochs,
        training__seed=seed,
        training__deterministic=deterministic,
        false_alarm_rate=false_alarm_rate,
    )
    dataset = data if isinstance(data, Dataset) else read_dataset(data)
    options: dict[str, Any] = {
        "weights": weights,
        "resume": resume,
        "skip_unreadable": skip_unreadable,
        "quiet": quiet,
        "say": say,
    }
    if out is not None:
        return fit_dataset(dataset, run, Path(out), **options)
    with tempfile.TemporaryDirectory() as folder:
        try:
            return fit_dataset(dataset, run, Path(folder) / "model.safetensors", **options)
        except Interrupted as stop:
            raise Interrupted("Stopped; without a file to write to, nothing was kept.") from stop


def load(model: str | Path, *, false_alarm_rate: float | None = None) -> "Detector":
    """Load a model file.

    Args:
        model: a .safetensors file that `fit` wrote, or an .onnx file that `export` wrote.
        false_alarm_rate: in (0, 1); None keeps the model's own.

    Raises:
        ModelFileError: missing, foreign, damaged or of a newer format.
    """
    from blemish.detector import Detector

    detector = Detector.load(model)
    if false_alarm_rate is not None:
        detector.calibration = detector.calibration.with_rate(false_alarm_rate)
    return detector


def evaluate(
    detector: "Detector | str | Path",
    data: Source | None = None,
    *,
    good: str | Path | None = None,
    bad: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> "Evaluation":
    """Measure a detector on labelled images.

    Args:
        detector: a detector or a model file.
        data: a folder in the MVTec layout, a .csv table, or a `Dataset`; its test part is measured.
        good: instead of `data`, together with `bad`: a folder of good images.
        bad: a folder of defective images.
        progress: called with (images done, images in all).

    Raises:
        DatasetError: there are no test images.
    """
    from blemish.evaluation import evaluate as evaluate_samples

    dataset = test_data(data, good, bad)
    judge = load(detector) if isinstance(detector, str | Path) else detector
    return evaluate_samples(judge, dataset.test, name=dataset.name, progress=progress)


def test_data(data: Source | None, good: str | Path | None, bad: str | Path | None) -> Dataset:
    """The data set that the arguments of `evaluate` name.

    Raises:
        DatasetError: none is named, or it has no test images.
    """
    if isinstance(data, Dataset):
        dataset = data
    elif data is not None and good is None and bad is None:
        dataset = read_dataset(data)
    elif data is None and good is not None and bad is not None:
        dataset = read_good_bad(good, bad)
    else:
        raise DatasetError("Give either DATA or both --good and --bad.")
    if not dataset.test:
        raise DatasetError(
            f"{dataset.name} holds no test images; add test/good and test/<defect> folders, or name folders "
            "with --good and --bad."
        )
    return dataset
