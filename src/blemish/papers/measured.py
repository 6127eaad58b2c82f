"""What one row of a table, on one category and with one seed, was measured to be."""

from dataclasses import dataclass, field
from typing import Any

from blemish.experiments.result import Result
from blemish.papers.tasks import Task


@dataclass(frozen=True)
class Measured:
    """One result.

    Attributes:
        row: the id of the table's row.
        data, category: what it was measured on.
        seed: of the training.
        metrics: fractions by name (`blemish.papers.table.Metric`); None where it cannot be measured.
        scores: image scores of the test images, in the order of the data set.
        labels: 1 for a defective test image, 0 for a good one, in the same order.
        curve: one entry per epoch, {"epoch", "loss", "validation_loss", "seconds"}; empty where nothing is
            trained.
        fit_seconds: fitting, which rows that differ in scoring alone share.
        score_seconds: scoring the test images.
        facts: plain values about how it was made: "fingerprint", "fit" (equal for rows that share their
            training), "machine", "versions", "teacher", "peak_memory_mb", "notes".
    """

    row: str
    data: str
    category: str
    seed: int
    metrics: dict[str, float | None]
    scores: list[float]
    labels: list[int]
    curve: list[dict[str, Any]]
    fit_seconds: float
    score_seconds: float
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Task, result: Result) -> "Measured":
        """What the experiment of a task gave."""
        pixel = result.measured["pixel"] or {}
        return cls(
            task.row,
            task.data,
            task.category,
            task.seed,
            {
                "image_auroc": result.measured["image"]["auroc"],
                "pixel_auroc": pixel.get("auroc"),
                "aupro_30": pixel.get("aupro_30"),
            },
            [row["score"] for row in result.images],
            [int(bool(sample.label)) for sample in task.experiment.dataset.test],
            result.curve,
            result.fit_seconds,
            result.score_seconds,
            result.facts
            | {
                "fingerprint": result.fingerprint,
                "fit": result.fit,
                "peak_memory_mb": result.peak_memory_mb,
                "notes": result.measured["notes"],
            },
        )


@dataclass(frozen=True)
class Missing:
    """A result that is not there.

    Attributes:
        row, data, category, seed: which.
        reason: a sentence; "" when it was only not reached yet.
    """

    row: str
    data: str
    category: str
    seed: int
    reason: str = ""
