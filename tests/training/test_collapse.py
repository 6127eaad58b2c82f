"""Training that collapses: when it stops, what it leaves behind and how to go on from there."""

import json
from collections.abc import Container
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from blemish.errors import BlemishError
from blemish.models.base import Batch
from blemish.training import collapse
from tests.support import log_lines, same_tensors
from tests.training.support import STEPS, Scripted, TinyModel, train

PATIENCE = 3
ILL = "the pictures are all alike"
EVERY_STEP, NEVER = 0.0, 1e6  # seconds between two checkpoints


@pytest.fixture(autouse=True)
def little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "PATIENCE", PATIENCE)


class Patient(Scripted):
    """Which is ill in some batches of the whole run, counted from 1, and notes its weights after each.

    Its loss may be no number from a batch on, and its weights infinite from a batch on.
    """

    def __init__(
        self, ill: Container[int] = (), *, done: int = 0, nan: int = 99, infinite: int = 99, script: Any = ()
    ) -> None:
        super().__init__(list(script))
        self.ill, self.batch, self.nan, self.infinite = ill, done, nan, infinite
        self.seen: dict[int, dict[str, Tensor]] = {}

    def validation_loss(self, batch: Batch) -> Tensor:
        spoil = float("nan") if self.training and self.batch + 1 >= self.nan else 1.0
        return super().validation_loss(batch) * spoil

    def after_batch(self, losses: dict[str, float]) -> str:
        self.batch += 1
        self.seen[self.batch] = {name: value.clone() for name, value in self.state_dict().items()}
        if self.batch == self.infinite:
            torch.nn.init.constant_(next(self.student.parameters()), float("inf"))
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


@pytest.mark.parametrize(
    ("first", "seconds", "kept"),
    [(2, EVERY_STEP, 1), (9, EVERY_STEP, 8), (2, NEVER, 2), (6, NEVER, 6)],
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
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged if "epoch" not in line] == list(range(1, last + 1))
    position, weights = saved(tmp_path)
    assert (position["step"], position["unhealthy"]) == (kept, int(kept == first))
    assert same_tensors(weights, model.seen[kept])

    if epochs:
        ended = Patient(done=kept)
        assert train(tmp_path, ended, resume=True, epochs=epochs).epochs == epochs
        assert ended.batch == kept, "without a step"
    mended = Patient(done=kept)
    assert train(tmp_path, mended, resume=True, learning_rate=0.001, epochs=6).epochs == 6
    assert mended.batch == 18
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


def test_ill_batches_before_and_after_resuming_count_together(tmp_path: Path) -> None:
    told_by(tmp_path, Patient(range(5, 100)), checkpoint_seconds=NEVER)
    model = Patient(range(5, 100), done=5)
    told_by(tmp_path, model, resume=True, checkpoint_seconds=NEVER)
    assert model.batch == 5 + PATIENCE - 1
    assert saved(tmp_path)[0]["step"] == 5, "what an ill batch saved may not be saved over by a worse one"


@pytest.mark.parametrize(
    ("infinite", "seconds", "kept"), [(99, EVERY_STEP, 4), (4, EVERY_STEP, 3), (99, NEVER, 0)]
)
def test_a_loss_that_is_no_number_stops_at_once_and_leaves_the_finite_state(
    infinite: int, seconds: float, kept: int, tmp_path: Path
) -> None:
    model = Patient(nan=5, infinite=infinite)
    said = told_by(tmp_path, model, checkpoint_seconds=seconds)
    remedy = str(tmp_path) if kept else "lower training.learning_rate or set training.precision to fp32."
    assert said.startswith(f"Training collapsed in epoch 2: the loss student is nan; {remedy}")
    if not kept:
        assert not list(tmp_path.iterdir())
        return
    position, state = saved(tmp_path)
    assert (position["step"], position["unhealthy"]) == (kept, 0)
    assert same_tensors(state, model.seen[kept])
    mended = Patient(done=kept)
    train(tmp_path, mended, resume=True, learning_rate=1e-3)
    assert mended.batch == STEPS


def test_a_run_that_is_told_to_end_within_an_epoch_says_what_it_kept(tmp_path: Path) -> None:
    told_by(tmp_path, Patient(range(5, 100)), select="last")
    summary = train(tmp_path, Patient(script=[0.25]), resume=True, epochs=1, select="last")
    assert (summary.epochs, summary.kept_epoch, summary.validation_loss) == (1.33, 1.33, 0.25)  # step 4 of 3
