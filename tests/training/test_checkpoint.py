"""A run that is interrupted anywhere and resumed ends as if it had never been interrupted."""

import json
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from blemish.errors import CheckpointError
from blemish.inference.model_file import write_tensors
from blemish.models.base import Batch, Step
from tests.support import log_lines
from tests.training.support import PROCESSES, STEPS, TinyModel, assert_same_run, killed, train

pytestmark = pytest.mark.slow  # processes that are killed


@pytest.mark.parametrize(
    ("saves", "inside_write"), [(1, False), (3, False), (5, False), (3, True), (10, True)]
)
def test_a_killed_run_goes_on_exactly_where_its_last_checkpoint_was(
    saves: int, inside_write: bool, tmp_path: Path, uninterrupted: Path, rates: list[float]
) -> None:
    killed(saves, inside_write, train, tmp_path)
    assert not (tmp_path / "weights.safetensors").exists()
    train(tmp_path, resume=True)
    assert len(rates) == STEPS - saves
    assert_same_run(tmp_path, uninterrupted)


class SlowModel(TinyModel):
    """Leaves time to be interrupted."""

    def validation_loss(self, batch: Batch) -> Tensor:
        time.sleep(0.04)
        return super().validation_loss(batch)


def train_slowly(folder: Path, resume: bool) -> None:
    train(folder, SlowModel(), resume=resume)


def test_a_run_killed_at_random_moments_until_it_is_done_is_exact(
    tmp_path: Path, uninterrupted: Path
) -> None:
    moments = random.Random(0)
    for kills in range(5):
        resume = (tmp_path / "run.checkpoint").exists()
        process = PROCESSES.Process(target=train_slowly, args=(tmp_path, resume))
        process.start()
        if kills < 4:  # the fifth time it may run to its end
            process.join(moments.uniform(0.1, 0.4))
            process.kill()
        process.join(300)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert kills > 0 and process.exitcode == 0
    assert_same_run(tmp_path, uninterrupted)


def test_a_lost_log_does_not_hinder_resuming(tmp_path: Path) -> None:
    killed(7, False, train, tmp_path)
    (tmp_path / "log.jsonl").unlink()
    train(tmp_path, resume=True)
    assert [line["epoch"] for line in log_lines(tmp_path / "log.jsonl")] == [3, 4]


def test_a_finished_run_resumes_without_a_step(
    tmp_path: Path, uninterrupted: Path, rates: list[float]
) -> None:
    train(tmp_path)
    rates.clear()
    train(tmp_path, resume=True)
    assert not rates
    assert_same_run(tmp_path, uninterrupted)


class TwoGroups(TinyModel):
    """With two optimisers, of which the second sees what the first has done."""

    def __init__(self) -> None:
        super().__init__()
        self.judge = torch.nn.Conv2d(4, 1, 1)

    def parameter_groups(self) -> dict[str, list[torch.nn.Parameter]]:
        return super().parameter_groups() | {"judge": list(self.judge.parameters())}

    def training_steps(self, batch: Batch) -> Iterator[Step]:
        yield from super().training_steps(batch)
        yield Step("judge", (self.judge(self.student(batch.images / 255)) - 1).square().mean())

    def after_batch(self, losses: dict[str, float]) -> str:
        if losses["judge"] < 0.9:
            torch.nn.init.normal_(self.judge.weight)  # mends itself at random
        return ""


def train_two_groups(folder: Path, resume: bool = False) -> None:
    train(folder, TwoGroups(), resume=resume)


def saved(checkpoint: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(checkpoint, framework="pt") as file:
        return load_file(checkpoint), file.metadata()


def test_two_optimisers_and_random_mending_go_on_exactly(tmp_path: Path, rates: list[float]) -> None:
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    for folder in (broken, whole):
        folder.mkdir()
    train_two_groups(whole)
    rates.clear()
    killed(5, False, train_two_groups, broken)
    checkpoint = broken / "run.checkpoint"
    tensors, description = saved(checkpoint)
    for group in ("student", "judge"):
        without = {k: v for k, v in tensors.items() if not k.startswith(f"optimiser.{group}.")}
        assert len(without) < len(tensors)
        write_tensors(checkpoint, without, description)
        with pytest.raises(CheckpointError, match=r"run\.checkpoint is damaged; delete it"):
            train_two_groups(broken, resume=True)
    write_tensors(checkpoint, tensors, description)
    train_two_groups(broken, resume=True)
    assert len(rates) == 2 * (STEPS - 5)
    assert_same_run(broken, whole)


def test_a_checkpoint_that_is_cut_off_or_lacks_something_is_damaged(tmp_path: Path) -> None:
    killed(2, False, train, tmp_path)
    checkpoint = tmp_path / "run.checkpoint"
    whole, (tensors, description) = checkpoint.read_bytes(), saved(checkpoint)

    def assert_damaged() -> None:
        with pytest.raises(CheckpointError, match=r"run\.checkpoint is damaged; delete it"):
            train(tmp_path, resume=True)

    for damaged in (whole[:-100], b"", b"\xff" * 100, whole[:8] + b"x" * 50 + whole[58:]):
        checkpoint.write_bytes(damaged)
        assert_damaged()

    position = json.loads(description["position"])
    moment = next(name for name in tensors if name.endswith("exp_avg"))

    def without(start: str) -> dict[str, Tensor]:
        return {name: value for name, value in tensors.items() if not name.startswith(start)}

    spoilt: list[tuple[dict[str, Tensor], dict[str, str]]] = [
        (tensors, {"fingerprint": description["fingerprint"]}),
        (tensors, description | {"position": "{"}),
        (tensors, description | {"position": "{}x"}),
        (tensors, description | {"position": json.dumps(position | {"step": "2"})}),
        (tensors, description | {"position": json.dumps(position | {"surprise": 2})}),
        (without("model.student.0.weight"), description),
        (without(moment), description),
        (without("best"), description),
        (without("optimiser"), description),
        (tensors | {moment: torch.ones(3)}, description),
        (tensors | {"optimiser.student.99.exp_avg": torch.ones(3)}, description),
    ]
    for changed, said in spoilt:
        write_tensors(checkpoint, changed, said)
        assert_damaged()
    write_tensors(checkpoint, tensors, description | {"fingerprint": "other images"})
    with pytest.raises(CheckpointError, match="belongs to a run with other images or settings"):
        train(tmp_path, resume=True)
