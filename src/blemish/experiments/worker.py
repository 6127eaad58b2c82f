"""What a worker does: one fit, and everything measured with its weights."""

import json
import logging
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from blemish.calibration import Calibration
from blemish.datasets import Sample
from blemish.errors import BlemishError, CheckpointError, explained
from blemish.evaluation.evaluate import Evaluation, evaluate
from blemish.experiments.experiment import Experiment, code_version
from blemish.experiments.result import Result
from blemish.export.recalibrate import fitted_digests
from blemish.files import file_digest, hold, unfinished, whole_file
from blemish.images.reading import frame_digest, load_frame
from blemish.inference.detector import Detector
from blemish.inference.model_file import Metadata
from blemish.inference.outputs import Outputs, predict_to_files
from blemish.inference.scoring import calibrate

log = logging.getLogger(__name__)

# what is kept of an evaluation, beside the images
MEASURED = ("image", "pixel", "defects", "false_alarms", "detected", "threshold", "calibration_note", "notes")
MODEL, CHECKPOINT, LOG, RECORD = ".safetensors", ".checkpoint", ".log.jsonl", ".json"

Outcome = list[Result] | BlemishError  # what a job gives, or why it cannot


@dataclass(frozen=True)
class Job:
    """One fit, and all that is to be measured with it.

    Attributes:
        experiments: of equal `fit`.
        folder: where its files lie; "maps" in it for what is kept of them.
        cpus: threads of the fit, on which last digits depend; None leaves that to PyTorch.
        keep: of "weights" and "maps", what is not thrown away once it is measured.
        code: of the caller, see `code_version`.
    """

    experiments: Sequence[Experiment]
    folder: Path
    cpus: int | None = None
    keep: Sequence[str] = ()
    code: str = ""

    @property
    def stem(self) -> str:
        """Name of its files, without an ending."""
        return self.experiments[0].stem

    def file(self, ending: str) -> Path:
        """One of its files."""
        return self.folder / f"{self.stem}{ending}"

    @property
    def record(self) -> dict[str, Any]:
        """What an earlier call wrote of this fit; empty where there is none, or one of something else."""
        record = read_record(self.file(RECORD))
        return record if record.get("fit") == self.experiments[0].fit else {}

    @property
    def fitted(self) -> bool:
        """Whether the model file is there as the fit has written it."""
        model, digest = self.file(MODEL), self.record.get("model")
        return digest is not None and model.is_file() and file_digest(model) == digest


def run_job(job: Job) -> list[Result]:
    """Fit a model, unless an earlier call has, and measure it.

    What an interrupted call has trained is gone on with.

    Raises:
        BlemishError: this program is not the caller's, or the model cannot be fitted or measured.
        Interrupted: Ctrl-C; the same call goes on from there.
    """
    if job.code != code_version():
        raise BlemishError(
            f"This worker has blemish {code_version()} and the caller {job.code}; install the same sources."
        )
    import torch

    if job.cpus:
        torch.set_num_threads(job.cpus)
    unusable = explained(BlemishError, lambda why: f"{job.folder} cannot be used: {why}.", OSError)
    with unusable, alone(job.file(".lock")):  # a process may not have noticed yet that its caller ended
        record = _fitted(job)
        detector = Detector.load(job.file(MODEL), engine="torch", threads=job.cpus)
        results = [_measure(job, experiment, detector, record) for experiment in job.experiments]
        if "weights" not in record["keep"]:
            for ending in (MODEL, LOG, RECORD):
                job.file(ending).unlink(missing_ok=True)
    return results


def read_record(path: Path) -> dict[str, Any]:
    """What an earlier call wrote of a fit; empty where there is nothing of use."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and "fit" in record else {}


def _fitted(job: Job) -> dict[str, Any]:
    """Have the model file; the record of its fit."""

    def write(record: dict[str, Any]) -> None:
        with whole_file(job.file(RECORD)) as file:
            json.dump(record, file)

    first, model, checkpoint = job.experiments[0], job.file(MODEL), job.file(CHECKPOINT)
    record = job.record
    if not record:
        record = {"fit": first.fit, "seconds": 0.0, "keep": []}
        checkpoint.unlink(missing_ok=True)
    record["keep"] = sorted({*record["keep"], *job.keep})
    write(record)
    if job.fitted:
        log.info("already fitted.")
        return record
    import blemish.models.backbones  # the slow libraries, before the clock starts
    import blemish.training.loop  # noqa: F401
    from blemish.training.fit import fit
    from blemish.training.machine import peak_memory_mb

    start = time.perf_counter()
    train = replace(first.dataset, test=[])
    try:
        try:
            fit(train, first.config, model, weights=first.weights, resume=checkpoint.is_file())
        except CheckpointError:
            checkpoint.unlink()
            fit(train, first.config, model, weights=first.weights)
    finally:
        if checkpoint.is_file():  # else nothing of this time was of use
            write(record | {"seconds": record["seconds"] + time.perf_counter() - start})
    record["seconds"] += time.perf_counter() - start
    record |= {"model": file_digest(model), "peak_memory_mb": peak_memory_mb()}
    write(record)
    return record


def _measure(job: Job, experiment: Experiment, fitted: Detector, record: dict[str, Any]) -> Result:
    detector = _rescored(experiment, fitted)
    samples = experiment.dataset.test
    evaluation = evaluate(detector, samples)
    if "maps" in job.keep:
        maps = job.folder / "maps" / experiment.stem / experiment.fingerprint[:12]
        predict_to_files(
            detector, [str(sample.path) for sample in samples], Outputs(maps=maps), batch_size=16
        )
    metadata = fitted.metadata
    return Result(
        fingerprint=experiment.fingerprint,
        fit=experiment.fit,
        code=code_version(),
        measured={name: getattr(evaluation, name) for name in MEASURED}
        | {"calibrated_on": len(detector.calibration.scores)},
        images=_images(experiment, evaluation),
        score_seconds=evaluation.seconds,
        fit_seconds=record["seconds"],
        peak_memory_mb=record["peak_memory_mb"],
        model_bytes=job.file(MODEL).stat().st_size,
        curve=_curve(job.file(LOG)),
        facts={
            "machine": _machine(),
            "versions": metadata["versions"],
            "teacher": metadata["teacher"],
            "precision": metadata["training"]["summary"]["precision"],
        },
    )


def _rescored(experiment: Experiment, fitted: Detector) -> Detector:
    """The detector under the experiment's scoring; where that is not the fit's, it is calibrated anew."""
    from blemish.inference.engines.torch import TorchEngine

    metadata, rate = Metadata.model_validate(fitted.metadata), experiment.config.false_alarm_rate
    assert isinstance(fitted.engine, TorchEngine)
    if metadata.config | experiment.scoring == metadata.config:
        detector = Detector(fitted.engine, metadata)
        detector.calibration = detector.calibration.with_rate(rate)
        return detector
    detector = Detector(fitted.engine.rescored(experiment.scoring), metadata)
    pictures = _held_out(experiment.dataset.train, metadata)
    detector.calibration = Calibration(calibrate(detector.engine, metadata.frame, pictures)[0], rate)
    return detector


def _held_out(good: list[Sample], metadata: Metadata) -> Iterator[np.ndarray]:
    """The images that a fit held out, framed; each once, whatever copies there are."""
    wanted = fitted_digests(metadata)[1]
    for sample in good:
        picture = load_frame(sample.path, metadata.frame)
        if (digest := frame_digest(picture)) in wanted:
            wanted.remove(digest)
            yield picture


def _images(experiment: Experiment, evaluation: Evaluation) -> list[dict[str, Any]]:
    rows = {row["path"]: row for row in (*evaluation.images, *evaluation.unreadable)}
    unset = {"score": None, "p_value": None, "is_anomalous": None, "error": ""}
    return [
        {key: rows[str(sample.path)].get(key, nothing) for key, nothing in unset.items()}
        for sample in experiment.dataset.test
    ]


def _curve(path: Path) -> list[dict[str, Any]]:
    """The epochs of a training log; empty where nothing was trained."""
    if not path.is_file():
        path = unfinished(path)  # the end came between the model and its log
    if not path.is_file():
        return []
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
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


def _machine() -> str:
    import torch

    gpu = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if gpu else f"{platform.system()} {platform.machine()}"
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


@contextmanager
def alone(lock: Path, busy: str = "") -> Iterator[None]:
    """Keep other processes out by a file, which is there only meanwhile.

    Raises:
        BlemishError: `busy`, where another process is in; without it this waits.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as files:
        while True:
            file = files.enter_context(lock.open("w"))
            if not hold(file, wait=not busy):
                raise BlemishError(busy)
            with suppress(FileNotFoundError):  # whoever was in has removed it
                if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                    break
        files.callback(lock.unlink, missing_ok=True)
        yield
