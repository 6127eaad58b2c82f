"""The Python API; the command line calls the same functions."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blemish.datasets import Dataset, read_dataset, read_good_bad
from blemish.errors import ConfigError, DatasetError, Interrupted

if TYPE_CHECKING:
    from blemish.detector import Detector
    from blemish.evaluation import Evaluation

Source = str | Path | Dataset


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
    quiet: bool = True,
    say: Callable[[str], None] = lambda message: None,
    method: str | None = None,
    preset: str | None = None,
    fast: bool = False,
    backbone: str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    deterministic: bool | None = None,
    tile: int | None = None,
    overlap: float | None = None,
    false_alarm_rate: float | None = None,
) -> "Detector":
    """Learn what normal looks like from good images.

    Args:
        data: a folder of good images (its subfolders are not searched), a folder in the MVTec layout, a
            .csv table, or a `Dataset`; with `held_out` a folder of class folders, "cifar10" or "stl10".
        held_out: the class to leave out as the abnormal one.
        data_root: where cifar10 and stl10 lie or are downloaded to; None is ~/.cache/blemish.
        out: .safetensors file to write; None keeps the model in memory only.
        config: a TOML file with fields of `blemish.config.RunConfig`.
        assignments: texts such as "model.tfm_depth=1", stronger than `config`.
        weights: the backbone's ImageNet weights; None looks for installed, cached or hub weights.
        resume: go on from the checkpoint beside `out`.
        skip_unreadable: leave unreadable files out instead of stopping.
        quiet: no progress bars.
        say: called with each sentence that the user should read.
        method: name of the model to fit; this and what follows are stronger than `assignments`.
        preset: a named set of values of the method's configuration, such as gtrans's "paper"; weaker than
            `config` and `assignments`.
        fast: train by the method's fast schedule; weaker than the preset's fields, than `config` and than
            `assignments`.
        backbone: an alias such as "resnet34" or a timm model name.
        epochs: passes over the images.
        seed: of everything random.
        deterministic: insist on deterministic kernels.
        tile: side in pixels of the square tiles that large images are cut into at their own resolution; None
            shows the network whole images.
        overlap: share of a tile, in [0, 0.75], by which neighbours overlap; None means 0.25.
        false_alarm_rate: share of good images that may be called anomalous, in (0, 1).

    Raises:
        BlemishError: something given cannot be used; the message says what to do.
    """
    from blemish.config import build_config
    from blemish.fit_checks import check_one_pass, check_out
    from blemish.fitting import fit_dataset

    run = build_config(
        config,
        assignments,
        fast=fast,
        method=method,
        preset=preset,
        model__backbone=backbone,
        training__epochs=epochs,
        training__seed=seed,
        training__deterministic=deterministic,
        frame__tile=tile,
        frame__overlap=overlap,
        false_alarm_rate=false_alarm_rate,
    )
    check_one_pass(run, resume)
    if out is not None:
        check_out(Path(out), resume)  # before anything is read or downloaded
    dataset = as_dataset(data, held_out, data_root, say)
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


def load(
    model: str | Path,
    *,
    engine: str | None = None,
    threads: int | None = None,
    device: str = "auto",
    false_alarm_rate: float | None = None,
    batchnorm_at_test: str | None = None,
) -> "Detector":
    """Load a model file.

    Args:
        model: a .safetensors file that `fit` wrote, or an .onnx or .xml file that `export` wrote.
        engine: "torch", "onnxruntime" or "openvino"; None takes the usual one for this kind of file.
        threads: CPU threads of the engine; None leaves that to the engine.
        device: "auto", "cpu", "cuda" (torch, onnxruntime), "tensorrt" (onnxruntime) or "gpu" (openvino).
        false_alarm_rate: in (0, 1); None keeps the model's own.
        batchnorm_at_test: "eval", "instance" or "batch": score a GAN with other BatchNorm statistics than it
            was calibrated with, to show what they do to the numbers ("batch" leaks the label into them);
            None keeps the model's own.

    Raises:
        ModelFileError: missing, foreign, damaged or of a newer format.
        ConfigError: no such statistics, or the model has no BatchNorm to choose them for; an engine, threads
            or a device that cannot be had.
    """
    from blemish.detector import Detector

    detector = Detector.load(
        model, engine=engine, threads=threads, device=device, batchnorm_at_test=batchnorm_at_test
    )
    if false_alarm_rate is not None:
        detector.calibration = detector.calibration.with_rate(false_alarm_rate)
    return detector


def evaluate(
    detector: "Detector | str | Path",
    data: Source | None = None,
    *,
    good: str | Path | None = None,
    bad: str | Path | None = None,
    held_out: str | None = None,
    data_root: str | Path | None = None,
    batchnorm_at_test: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> "Evaluation":
    """Measure a detector on labelled images.

    Args:
        detector: a detector or a model file.
        data: a folder in the MVTec layout, a .csv table, or a `Dataset`; with `held_out` a folder of class
            folders, "cifar10" or "stl10". Its test part is measured.
        good: instead of `data`, together with `bad`: a folder of good images.
        bad: a folder of defective images.
        held_out: the class that is the abnormal one.
        data_root: where cifar10 and stl10 lie or are downloaded to; None is ~/.cache/blemish.
        batchnorm_at_test: as for `load`; only with a model file.
        progress: called with (images done, images in all).

    Raises:
        DatasetError: there are no test images.
        ConfigError: `batchnorm_at_test` is wrong, or given beside a detector.
    """
    from blemish.evaluation import evaluate as evaluate_samples
    from blemish.modelfile import read_metadata

    if isinstance(detector, str | Path):
        read_metadata(Path(detector))  # a wrong model is told before data are read or downloaded
    dataset = test_data(data, good, bad, held_out=held_out, data_root=data_root)
    if isinstance(detector, str | Path):
        detector = load(detector, batchnorm_at_test=batchnorm_at_test)
    elif batchnorm_at_test is not None:
        raise ConfigError(
            "batchnorm_at_test goes with a model file, not with a Detector; give it to blemish.load instead."
        )
    return evaluate_samples(detector, dataset.test, name=dataset.name, progress=progress)


def test_data(
    data: Source | None,
    good: str | Path | None,
    bad: str | Path | None,
    *,
    held_out: str | None = None,
    data_root: str | Path | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> Dataset:
    """The data set that the arguments of `evaluate` name.

    Raises:
        DatasetError: none is named, or it has no test images.
    """
    if data is not None and good is None and bad is None:
        dataset = as_dataset(data, held_out, data_root, say)
    elif data is None and good is not None and bad is not None:
        if held_out is not None or data_root is not None:
            raise DatasetError(
                "--held-out and --data go with DATA, not with --good and --bad; leave them out."
            )
        dataset = read_good_bad(good, bad)
    else:
        raise DatasetError("Give either DATA or both --good and --bad.")
    if not dataset.test:
        raise DatasetError(
            f"{dataset.name} holds no test images; add test/good and test/<defect> folders, or name folders "
            "with --good and --bad."
        )
    return dataset


def as_dataset(
    data: Source, held_out: str | None, data_root: str | Path | None, say: Callable[[str], None]
) -> Dataset:
    """The data set that the arguments of `fit` name.

    Raises:
        DatasetError: it cannot be read, or `held_out` or `data_root` is given beside a `Dataset`.
    """
    if not isinstance(data, Dataset):
        return read_dataset(data, held_out=held_out, data_root=data_root, say=say)
    if held_out is not None or data_root is not None:
        raise DatasetError(f"held_out and data_root do not go with the Dataset {data.name}; leave them out.")
    return data
