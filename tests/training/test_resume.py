"""A run that is interrupted anywhere and resumed ends as if it had never been interrupted."""

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from blemish.errors import BlemishError
from blemish.inference.model_file import write_tensors
from blemish.models.base import Batch, Step
from blemish.training import loop as training
from tests.support import (
    PROCESSES,
    TinyModel,
    log_lines,
)
from tests.training.killed import (
    STEPS,
    assert_same_run,
    die,
    in_process,
    train,
    train_slowly,
    train_until,
)
from tests.training.killed import steps as steps
from tests.training.killed import uninterrupted as uninterrupted


@pytest.mark.parametrize("inside_write", [False, True])
@pytest.mark.parametrize("saves", [1, 3, 5, 10])
def test_a_killed_run_goes_on_exactly_where_its_last_checkpoint_was(
    saves: int, inside_write: bool, tmp_path: Path, uninterrupted: Path, steps: list[int]
) -> None:
    assert in_process(train_until, tmp_path, saves, inside_write=inside_write) == -signal.SIGKILL
    assert not (tmp_path / "weights.safetensors").exists()
    train(tmp_path, resume=True)
    assert len(steps) == STEPS - saves
    assert_same_run(tmp_path, uninterrupted)


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
    assert in_process(train_until, tmp_path, 7, inside_write=False) == -signal.SIGKILL
    (tmp_path / "log.jsonl").unlink()
    train(tmp_path, resume=True)
    assert [line["epoch"] for line in log_lines(tmp_path / "log.jsonl")] == [3, 4]


def checkpoint_of(folder: Path) -> Path:
    assert in_process(train_until, folder, 2, inside_write=False) == -signal.SIGKILL
    return folder / "run.checkpoint"


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoint = checkpoint_of(tmp_path)
    whole = checkpoint.read_bytes()
    for damaged in (whole[:-100], b"", b"\xff" * 100, whole[:8] + b"x" * 50 + whole[58:]):
        checkpoint.write_bytes(damaged)
        with pytest.raises(BlemishError, match=r"run\.checkpoint is damaged; delete it"):
            train(tmp_path, resume=True)


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


def train_two_groups(folder: Path, saves: int) -> None:
    save = training.save_checkpoint
    done = 0

    def save_and_die(*arguments: Any) -> None:
        nonlocal done
        save(*arguments)
        done += 1
        if done == saves:
            die()

    training.save_checkpoint = save_and_die
    train(folder, TwoGroups())


def test_two_optimisers_and_random_mending_go_on_exactly(tmp_path: Path, steps: list[int]) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in (killed, whole):
        folder.mkdir()
    train(whole, TwoGroups())
    steps.clear()
    assert in_process(train_two_groups, killed, 5) == -signal.SIGKILL
    checkpoint = killed / "run.checkpoint"
    with safe_open(checkpoint, framework="pt") as file:
        description = file.metadata()
    tensors = load_file(checkpoint)
    for group in ("student", "judge"):
        without = {k: v for k, v in tensors.items() if not k.startswith(f"optimiser.{group}.")}
        assert len(without) < len(tensors)
        write_tensors(checkpoint, without, description)
        with pytest.raises(BlemishError, match=r"run\.checkpoint is damaged; delete it"):
            train(killed, TwoGroups(), resume=True)
    write_tensors(checkpoint, tensors, description)
    train(killed, TwoGroups(), resume=True)
    assert len(steps) == 2 * (STEPS - 5)
    assert_same_run(killed, whole)


def test_a_checkpoint_that_lacks_something_is_damaged(tmp_path: Path) -> None:
    checkpoint = checkpoint_of(tmp_path)
    tensors = load_file(checkpoint)
    with safe_open(checkpoint, framework="pt") as file:
        description = file.metadata()
    position = json.loads(description["position"])
    moment = next(name for name in tensors if name.endswith("exp_avg"))
    weight = "model.student.0.weight"
    spoilt: list[tuple[dict[str, Tensor], dict[str, str]]] = [
        (tensors, {"fingerprint": description["fingerprint"]}),
        (tensors, description | {"position": "{"}),
        (tensors, description | {"position": "{}x"}),
        (tensors, description | {"position": json.dumps(position | {"step": "2"})}),
        (tensors, description | {"position": json.dumps(position | {"surprise": 2})}),
        ({name: value for name, value in tensors.items() if name != weight}, description),
        ({name: value for name, value in tensors.items() if name != moment}, description),
        ({name: value for name, value in tensors.items() if not name.startswith("best")}, description),
        ({name: value for name, value in tensors.items() if not name.startswith("optimiser")}, description),
        (tensors | {moment: torch.ones(3)}, description),
        (tensors | {"optimiser.student.99.exp_avg": torch.ones(3)}, description),
    ]
    for changed, said in spoilt:
        write_tensors(checkpoint, changed, said)
        with pytest.raises(BlemishError, match=r"run\.checkpoint is damaged; delete it"):
            train(tmp_path, resume=True)


def test_a_finished_run_resumes_without_a_step(tmp_path: Path, uninterrupted: Path, steps: list[int]) -> None:
    train(tmp_path)
    steps.clear()
    train(tmp_path, resume=True)
    assert not steps
    assert_same_run(tmp_path, uninterrupted)
