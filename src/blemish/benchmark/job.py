"""What a worker does: one training, and everything measured with its weights."""

import fcntl
import json
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blemish.benchmark.fingerprint import code_version
from blemish.config import build_config
from blemish.datasets import Dataset, Sample
from blemish.errors import BlemishError, CheckpointError, ModelFileError

if TYPE_CHECKING:
    from blemish.detector import Detector

Answer = dict[str, Any]


def run_job(job: dict[str, Any], say: Callable[[str], None] = lambda message: None) -> Answer:
    """Train a model, unless an earlier call has, and measure it under each of its scorings.

    What an interrupted call has trained is gone on with. The numbers depend on `job` alone, and in their last
    digits on the machine.

    Args:
        job: see `blemish.benchmark.tasks.Job.to_dict`.
        say: called with each sentence that the user should read.

    Returns:
        Plain JSON values: "fit_seconds", "curve" and "facts" of the training, and "results", by fingerprint
        "metrics", "scores", "labels" and "score_seconds"; see `blemish.benchmark.measured.Measured`.

    Raises:
        BlemishError: this program is not the caller's, or the model cannot be fitted or measured.
        Interrupted: Ctrl-C; the same call goes on from there.
    """
    if job["code"] != code_version():
        raise BlemishError(
            f"This worker has blemish {code_version()} and the caller {job['code']}; "
            "install the same sources."
        )
    import torch

    torch.set_num_threads(job["cpus"])
    model = Path(job["folder"]) / "model.safetensors"
    try:
        with _alone(model.parent):
            return _measure(job, model, _learned(job, model, say))
    except OSError as error:
        reason = error.strerror or error
        raise BlemishError(f"{error.filename or model.parent} cannot be used: {reason}.") from error


def _learned(job: dict[str, Any], model: Path, say: Callable[[str], None]) -> "Detector":
    """The model, trained or gone on with where it is not there; what is damaged is trained afresh."""
    from blemish.api import load

    if model.is_file():
        try:
            return load(model, engine="torch", threads=job["cpus"])
        except ModelFileError:
            model.unlink()
    checkpoint = model.with_suffix(".checkpoint")
    try:
        _fit(job, model, resume=checkpoint.is_file(), say=say)
    except CheckpointError:
        checkpoint.unlink()
        _fit(job, model, resume=False, say=say)
    return load(model, engine="torch", threads=job["cpus"])


def _fit(job: dict[str, Any], model: Path, *, resume: bool, say: Callable[[str], None]) -> None:
    from blemish.fitting import fit_dataset

    fit_dataset(
        Dataset(job["name"], train=[Sample(Path(path), 0) for path in job["train"]]),
        build_config(**job["config"]),
        model,
        weights=job["weights"],
        resume=resume,
        quiet=True,
        say=say,
    )


def _measure(job: dict[str, Any], model: Path, learned: "Detector") -> Answer:
    from blemish.detector import Detector
    from blemish.engines.torch import TorchEngine
    from blemish.evaluation import evaluate
    from blemish.modelfile import Metadata
    from blemish.prediction import predict_to_files

    engine, metadata = learned.engine, learned.metadata
    assert isinstance(engine, TorchEngine)
    samples = [
        Sample(Path(path), label, defect, Path(mask) if mask else None)
        for path, label, defect, mask in job["test"]
    ]
    results = {}
    notes: dict[str, None] = {}
    for fingerprint, scoring in job["scorings"].items():
        scorer = engine.rescored(scoring) if scoring else engine
        detector = Detector(scorer, Metadata.model_validate(metadata))
        evaluation = evaluate(detector, samples)
        if evaluation.unreadable:
            first = evaluation.unreadable[0]
            raise BlemishError(f"A test image cannot be used: {first['error']}")
        notes |= dict.fromkeys(evaluation.notes)
        pixel = evaluation.pixel or {}
        results[fingerprint] = {
            "metrics": {
                "image_auroc": evaluation.image["auroc"],
                "pixel_auroc": pixel.get("auroc"),
                "aupro_30": pixel.get("aupro_30"),
            },
            "scores": [row["score"] for row in evaluation.images],
            "labels": [row["label"] for row in evaluation.images],
            "score_seconds": evaluation.seconds,
        }
        if job["keep_maps"]:
            maps = model.parent / "maps" / fingerprint[:12]
            predict_to_files(detector, [str(sample.path) for sample in samples], batch_size=16, maps=maps)
    summary = metadata["training"]["summary"]
    return {
        "results": results,
        "fit_seconds": summary["seconds"],
        "curve": _curve(model.with_suffix(".log.jsonl")),
        "facts": {
            "machine": _machine(job["cpus"]),
            "versions": metadata["versions"],
            "teacher": metadata["teacher"],
            "precision": summary["precision"],
            "peak_memory_mb": summary["peak_memory_mb"],
            "notes": list(notes),
        },
    }


def _curve(log: Path) -> list[dict[str, Any]]:
    """The epochs of a training log; empty where nothing was trained."""
    if not log.is_file():
        log = log.with_name(log.name + ".part")  # the end came between the model and its log
    if not log.is_file():
        return []
    lines = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
    return [
        {
            "epoch": line["epoch"],
            "loss": sum(line["losses"].values()),
            "validation_loss": line["validation_loss"],
            "seconds": line["seconds"],
        }
        for line in lines
        if "epoch" in line
    ]


def _machine(cpus: int) -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, {cpus} threads"
    return f"{platform.system()} {platform.machine()}, {cpus} threads"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep others out of the folder, such as a process that has not yet noticed its caller's end."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(os.getpid()))
        file.flush()
        yield
