"""What was trained and what it cost; rows that differ in scoring alone share a training."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from blemish.papers.measured import Measured


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        rows: ids of the rows that use it.
        data, category, seed: of it.
        seconds: that it took.
        curve: one entry per epoch, as in `Measured`.
    """

    rows: tuple[str, ...]
    data: str
    category: str
    seed: int
    seconds: float
    curve: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Cost:
    """Time and memory of one row.

    Attributes:
        row: its id.
        trainings: that it uses.
        shared_with: ids of other rows that use them too.
        fit_seconds: all of these trainings.
        epochs: the largest number among them; 0 where nothing is trained by epochs.
        seconds_per_epoch: mean; None without epochs.
        score_seconds, images: scoring of all its test images.
        peak_memory_mb: the largest of any process; None where unknown.
    """

    row: str
    trainings: int
    shared_with: tuple[str, ...]
    fit_seconds: float
    epochs: int
    seconds_per_epoch: float | None
    score_seconds: float
    images: int
    peak_memory_mb: float | None


def trainings_of(measured: Iterable[Measured]) -> list[Training]:
    """Each training once, in the order met."""
    by_key: dict[tuple[Any, ...], list[Measured]] = {}
    for one in measured:
        fit = one.facts.get("fit", one.row)
        by_key.setdefault((one.data, one.category, one.seed, fit), []).append(one)
    return [
        Training(
            rows=tuple(dict.fromkeys(one.row for one in of)),
            data=of[0].data,
            category=of[0].category,
            seed=of[0].seed,
            seconds=of[0].fit_seconds,
            curve=tuple(of[0].curve),
        )
        for of in by_key.values()
    ]


def cost_of(row: str, measured: Iterable[Measured], trainings: Iterable[Training]) -> Cost:
    """Costs of one row, which must have been measured.

    Args:
        row: its id.
        measured: of all rows.
        trainings: of all rows.
    """
    own = [one for one in measured if one.row == row]
    used = [training for training in trainings if row in training.rows]
    epochs = [entry["seconds"] for training in used for entry in training.curve]
    memory = [one.facts["peak_memory_mb"] for one in own if one.facts.get("peak_memory_mb") is not None]
    return Cost(
        row=row,
        trainings=len(used),
        shared_with=tuple(dict.fromkeys(other for one in used for other in one.rows if other != row)),
        fit_seconds=sum(training.seconds for training in used),
        epochs=max((len(training.curve) for training in used), default=0),
        seconds_per_epoch=sum(epochs) / len(epochs) if epochs else None,
        score_seconds=sum(one.score_seconds for one in own),
        images=sum(len(one.scores) for one in own),
        peak_memory_mb=max(memory, default=None),
    )
