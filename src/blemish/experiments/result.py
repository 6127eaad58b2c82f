"""What an experiment gives, and where it is kept."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from blemish.datasets import Dataset
from blemish.experiments.experiment import Experiment
from blemish.files import whole_file, writing


@dataclass(frozen=True)
class Result:
    """Plain JSON values.

    Attributes:
        fingerprint, fit: of the experiment.
        code: what decided it, see `blemish.experiments.experiment.code_version`.
        measured: "image", "pixel", "defects", "false_alarms", "detected", "threshold", "calibration_note" and
            "notes" of `blemish.evaluation.evaluate.Evaluation`, and "calibrated_on", how many good images.
        images: "score", "p_value", "is_anomalous" and "error" of each test image, in their order.
        score_seconds: scoring the test images.
        fit_seconds: of the whole fit, which experiments that differ in scoring or test images alone share.
        peak_memory_mb: of the process that fitted; None where the system does not tell.
        model_bytes: size of the model file.
        curve: one entry per epoch, {"epoch", "loss", "validation_loss", "seconds"}; empty where nothing is
            trained.
        facts: "machine", "versions", "teacher", "precision".
    """

    fingerprint: str
    fit: str
    code: str
    measured: dict[str, Any]
    images: list[dict[str, Any]]
    score_seconds: float
    fit_seconds: float
    peak_memory_mb: float | None
    model_bytes: int
    curve: list[dict[str, Any]]
    facts: dict[str, Any]

    def rows(self, dataset: Dataset) -> dict[str, dict[str, Any]]:
        """By path, what is known of each scored image: `images` with "path", "label", "defect" and "mask"."""
        return {
            str(sample.path): {
                **row,
                "path": str(sample.path),
                "label": int(bool(sample.label)),
                "defect": sample.defect,
                "mask": str(sample.mask) if sample.label and sample.mask else None,
            }
            for row, sample in zip(self.images, dataset.test, strict=True)
            if not row["error"]
        }


class Store:
    """Results in a folder, a file for each fingerprint. Several programs may share it.

    Args:
        folder: made with the first result.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, experiment: Experiment) -> Result | None:
        """The experiment's result; None where there is none yet, or none that can be read."""
        try:
            text = (self.folder / f"{experiment.fingerprint}.json").read_text(encoding="utf-8")
            return Result(**json.loads(text))
        except (OSError, ValueError, TypeError):  # TypeError: of another version
            return None

    def write(self, result: Result) -> None:
        """Keep a result, whole or not at all.

        Raises:
            BlemishError: it cannot be written.
        """
        path = self.folder / f"{result.fingerprint}.json"
        own = path.with_suffix(f".{uuid4().hex}")  # several may write the same result at once
        with writing(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            with whole_file(own) as file:
                json.dump(asdict(result), file)
            own.replace(path)
