"""Training that collapses: when it stops, what it leaves behind and how to go on from there."""

import json
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from blemish.errors import BlemishError
from blemish.models.base import Batch
from blemish.training import checkpoint, collapse
from tests.support import log_lines, same_tensors
from tests.training.support import STEPS, Scripted, TinyModel, train

PATIENCE = 3
ILL = "the pictures are all alike"
EVERY_STEP, NEVER = 0.0, 1e6  # seconds between two checkpoints


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "PATIENCE", PATIENCE)


class Patient(Scripted):
    """Which is ill in some batches of the whole run, counted from 1, and notes its weights after each."""

    def __init__(self, ill: Container[int] = (), *, done: int = 0, script: Iterable[float] = ()) -> None:
        super().__init__(list(script))
        self.ill, self.batch = ill, done
        self.seen: dict[int, dict[str, Tensor]] = {}

    def after_batch(self, losses: dict[str, float]) -> str:
        self.batch += 1
        self.seen[self.batch] = {name: value.clone() for name, value in self.state_dict().items()}
        return ILL if self.batch in self.ill else ""


def told_by(folder: Path, model: TinyModel, **options: Any) -> str:
    """What a run that must fail says."""
    with pytest.raises(BlemishError) as caught:
        train(folder, model, **options)
    return str(caught.value)


def saved(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The position and the weights in the checkpoint."""
    with safe_open(folder / "run.checkpoint", framework="pt") as file:
        position = json.loads(file.metadata()["position"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert all(value.isfinite().all() for value in tensors.values())
    return position, {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}


def batches_logged(folder: Path) -> list[int]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if "epoch" not in line]


@pytest.mark.parametrize(
    ("first", "seconds", "kept"),
    [(2, EVERY_STEP, 1), (5, EVERY_STEP, 4), (9, EVERY_STEP, 8), *((n, NEVER, n) for n in (2, 5, 6, 7))],
)
def test_after_so_many_ill_batches_on_end_training_stops_and_can_go_on_from_before(
    first: int, seconds: float, kept: int, tmp_path: Path
) -> None:
    """Kept is the last healthy batch; where none was saved, the first ill one."""
    model = Patient({1, *range(first, 100)} if first > 2 else range(first, 100))
    said = told_by(tmp_path, model, checkpoint_seconds=seconds)
    last, epochs = first + PATIENCE - 1, kept // 3
    end_there = f"end there with --resume --epochs {epochs}, " if epochs else ""
    assert said == (
        f"Training collapsed in epoch {-(-last // 3)}: {ILL}; {tmp_path / 'run.checkpoint'} holds the state "
        "before that. Go on from there with --resume and a lower training.learning_rate or "
        f"training.precision=fp32, {end_there}or delete it and start afresh."
    )
    assert batches_logged(tmp_path) == list(range(1, last + 1))
    position, weights = saved(tmp_path)
    assert (position["step"], position["unhealthy"]) == (kept, int(kept == first))
    assert same_tensors(weights, model.seen[kept])

    if epochs:
        ended = Patient(done=kept)
        assert train(tmp_path, ended, resume=True, epochs=epochs).epochs == epochs
        assert ended.batch == kept, "without a step"
    mended = Patient(done=kept)
    assert train(tmp_path, mended, resume=True, learning_rate=0.001, epochs=6).epochs == 6
    assert mended.batch == 18 and batches_logged(tmp_path) == list(range(1, 19))
    rates = [line["learning_rate"] for line in log_lines(tmp_path / "log.jsonl")]
    assert rates == epochs * [0.01] + (6 - epochs) * [0.001]


def test_a_healthy_batch_in_between_starts_the_count_again(tmp_path: Path) -> None:
    model = Patient({1, 2, 4, 5, 7, 8, 10, 11})
    assert train(tmp_path, model).kept_epoch > 0
    assert model.batch == STEPS


@pytest.mark.parametrize("seconds", [EVERY_STEP, NEVER])
def test_a_run_that_was_never_healthy_leaves_no_checkpoint(seconds: float, tmp_path: Path) -> None:
    said = told_by(tmp_path, Patient(range(1, 100)), checkpoint_seconds=seconds)
    assert "checkpoint" not in said and "lower training.learning_rate" in said
    assert not list(tmp_path.iterdir())


def test_an_older_healthy_checkpoint_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100_000, 10))
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: float(next(clock)))
    model = Patient(range(8, 100))
    told_by(tmp_path, model, checkpoint_seconds=35)  # which is not every batch
    position, weights = saved(tmp_path)
    assert 0 < position["step"] < 7 and position["unhealthy"] == 0
    assert same_tensors(weights, model.seen[position["step"]])


def test_ill_batches_before_and_after_resuming_count_together(tmp_path: Path) -> None:
    told_by(tmp_path, Patient(range(5, 100)), checkpoint_seconds=NEVER)
    model = Patient(range(5, 100), done=5)
    told_by(tmp_path, model, resume=True, checkpoint_seconds=NEVER)
    assert model.batch == 5 + PATIENCE - 1
    assert saved(tmp_path)[0]["step"] == 5, "what an ill batch saved may not be saved over by a worse one"


class Breaking(Patient):
    """Whose loss is no longer finite from a batch on; its weights were already one batch before, if told."""

    def __init__(self, broken: int, *, weights: bool = False) -> None:
        super().__init__()
        self.broken, self.weights = broken, weights

    def validation_loss(self, batch: Batch) -> Tensor:
        if self.training and self.batch + 1 >= self.broken:
            return super().validation_loss(batch) * float("nan")
        return super().validation_loss(batch)

    def after_batch(self, losses: dict[str, float]) -> str:
        said = super().after_batch(losses)
        if self.weights and self.batch == self.broken - 1:
            torch.nn.init.constant_(next(self.student.parameters()), float("inf"))
        return said


@pytest.mark.parametrize(("weights", "kept"), [(False, 4), (True, 3)])
def test_a_loss_that_is_no_number_stops_at_once_and_leaves_the_finite_state(
    weights: bool, kept: int, tmp_path: Path
) -> None:
    model = Breaking(5, weights=weights)
    said = told_by(tmp_path, model)
    assert said.startswith(f"Training collapsed in epoch 2: the loss student is nan; {tmp_path}")
    assert "--resume and a lower training.learning_rate" in said
    position, state = saved(tmp_path)
    assert (position["step"], position["unhealthy"]) == (kept, 0)
    assert same_tensors(state, model.seen[kept])
    mended = Patient(done=kept)
    train(tmp_path, mended, resume=True, learning_rate=1e-3)
    assert mended.batch == STEPS
    assert all(value.isfinite().all() for value in mended.state_dict().values())


def test_a_loss_that_is_no_number_without_a_checkpoint_names_no_way_back(tmp_path: Path) -> None:
    said = told_by(tmp_path, Breaking(5), checkpoint_seconds=NEVER)
    assert said == (
        "Training collapsed in epoch 2: the loss student is nan; "
        "lower training.learning_rate or set training.precision to fp32."
    )
    assert not list(tmp_path.iterdir())


def test_resuming_with_the_epochs_that_are_done_ends_without_a_step(tmp_path: Path) -> None:
    told_by(tmp_path, Patient({7, 8, 9}), select="last")
    position, weights = saved(tmp_path)
    assert position["step"] == 6
    model = Patient(done=6)
    summary = train(tmp_path, model, resume=True, epochs=2, select="last")
    assert model.batch == 6
    assert same_tensors(model.state_dict(), weights)
    assert (summary.epochs, summary.kept_epoch) == (2, 2)
    assert [line["epoch"] for line in log_lines(tmp_path / "log.jsonl")] == [1, 2]
    assert summary.validation_loss == log_lines(tmp_path / "log.jsonl")[-1]["validation_loss"]


def test_a_run_that_is_told_to_end_within_an_epoch_says_what_it_kept(tmp_path: Path) -> None:
    told_by(tmp_path, Patient(range(5, 100)), select="last")
    summary = train(tmp_path, Patient(script=[0.25]), resume=True, epochs=1, select="last")
    assert (summary.epochs, summary.kept_epoch, summary.validation_loss) == (1.33, 1.33, 0.25)  # step 4 of 3
