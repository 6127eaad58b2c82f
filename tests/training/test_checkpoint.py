"""A run that is interrupted anywhere and resumed ends as if it had never been interrupted."""

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from blemish.errors import CheckpointError
from blemish.inference.model_file import write_tensors
from blemish.models.base import Batch
from tests.support import log_lines
from tests.training.support import PROCESSES, STEPS, TinyModel, assert_same_run, killed, train

pytestmark = pytest.mark.slow  # processes that are killed


@pytest.mark.parametrize(("saves", "inside_write"), [(1, False), (5, False), (10, True)])
def test_a_killed_run_goes_on_exactly_where_its_last_checkpoint_was(
    saves: int, inside_write: bool, tmp_path: Path, uninterrupted: Path, rates: list[float]
) -> None:
    killed(saves, inside_write, train, tmp_path)
    assert not (tmp_path / "weights.safetensors").exists()
    train(tmp_path, resume=True)
    assert len(rates) == 2 * (STEPS - saves)  # of two optimisers
    assert_same_run(tmp_path, uninterrupted)


class SlowModel(TinyModel):
    """Leaves time to be interrupted."""

    def validation_loss(self, batch: Batch) -> Tensor:
        time.sleep(0.04)
        return super().validation_loss(batch)


def test_a_run_killed_at_random_moments_until_it_is_done_is_exact(
    tmp_path: Path, uninterrupted: Path
) -> None:
    moments = random.Random(0)
    for kills in range(5):
        resume = (tmp_path / "run.checkpoint").exists()
        process = PROCESSES.Process(target=train, args=(tmp_path, SlowModel()), kwargs={"resume": resume})
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


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was killed after seven of its twelve steps."""
    folder = tmp_path_factory.mktemp("unfinished")
    killed(7, False, train, folder)
    return folder


def test_a_lost_log_does_not_hinder_resuming(unfinished: Path, tmp_path: Path) -> None:
    (tmp_path / "run.checkpoint").write_bytes((unfinished / "run.checkpoint").read_bytes())
    train(tmp_path, resume=True)
    assert [line["epoch"] for line in log_lines(tmp_path / "log.jsonl")] == [3, 4]


def test_a_checkpoint_that_is_cut_off_or_lacks_something_is_damaged(unfinished: Path, tmp_path: Path) -> None:
    whole, checkpoint = (folder / "run.checkpoint" for folder in (unfinished, tmp_path))
    tensors = load_file(whole)
    with safe_open(whole, framework="pt") as file:
        said = file.metadata()
    position = json.loads(said["position"])
    moment = next(name for name in tensors if name.endswith("exp_avg"))

    def without(start: str) -> dict[str, Tensor]:
        return {name: value for name, value in tensors.items() if not name.startswith(start)}

    spoilt: list[Any] = [
        *(whole.read_bytes()[:-100], b"", whole.read_bytes()[:8] + b"x" * 50),
        (tensors, {"fingerprint": said["fingerprint"]}),
        (tensors, said | {"position": "{}x"}),
        (tensors, said | {"position": json.dumps(position | {"step": "2"})}),
        (tensors, said | {"position": json.dumps(position | {"surprise": 2})}),
        *((without(start), said) for start in ("model.student.0.weight", moment, "best")),
        *((without(f"optimiser.{group}."), said) for group in ("student", "judge")),
        (tensors | {moment: torch.ones(3)}, said),
        (tensors | {"optimiser.student.99.exp_avg": torch.ones(3)}, said),
    ]
    for content in spoilt:
        if isinstance(content, bytes):
            checkpoint.write_bytes(content)
        else:
            write_tensors(checkpoint, *content)
        with pytest.raises(CheckpointError, match=r"run\.checkpoint is damaged; delete it"):
            train(tmp_path, resume=True)
    write_tensors(checkpoint, tensors, said | {"fingerprint": "other images"})
    with pytest.raises(CheckpointError, match="belongs to a run with other images or settings"):
        train(tmp_path, resume=True)
