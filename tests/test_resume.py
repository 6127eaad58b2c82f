"""A run that is interrupted anywhere and resumed ends as if it had never been interrupted."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from blemish import training
from blemish.engines.torch import TorchEngine
from blemish.errors import BlemishError, Interrupted
from blemish.fitting import fit_dataset
from blemish.interruption import Interruption
from blemish.modelfile import read_metadata, write_tensors
from blemish.models.base import Batch, Step
from helpers import (
    PROCESSES,
    TinyModel,
    log_lines,
    same_tensors,
    small_config,
    texture_dataset,
    textures,
    tiny_training,
)

EPOCHS, STEPS = 4, 12  # 9 images in batches of 4 are 3 steps an epoch


class SlowModel(TinyModel):
    """Leaves time to be interrupted."""

    def validation_loss(self, batch: Batch) -> Tensor:
        time.sleep(0.04)
        return super().validation_loss(batch)


def train(folder: Path, model: TinyModel | None = None, *, resume: bool = False, **fields: Any) -> None:
    """A run in `folder`; its weights become a file there."""
    model = model or TinyModel()
    images = textures(11)
    training.train(
        model,
        images,
        np.arange(9),
        np.arange(9, 11),
        tiny_training(**{"epochs": EPOCHS, "checkpoint_seconds": 0} | fields),
        checkpoint=folder / "run.checkpoint",
        log=folder / "log.jsonl",
        fingerprint="the same data and settings",
        resume=resume,
        quiet=True,
    )
    write_tensors(folder / "weights.safetensors", model.state_dict(), {})


def train_slowly(folder: Path, resume: bool) -> None:
    train(folder, SlowModel(), resume=resume)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def train_until(folder: Path, saves: int, *, inside_write: bool, resume: bool = False) -> None:
    """A run that is killed after a number of checkpoints, or in the middle of writing the next one."""
    done = 0
    write = Path.write_bytes

    def count(path: Path, data: bytes) -> int:
        nonlocal done
        if done == saves and inside_write:
            write(path, data[: len(data) // 2])
            die()
        done += 1
        return write(path, data)

    Path.write_bytes = count  # type: ignore[method-assign, assignment]
    save = training.save_checkpoint

    def save_and_die(*arguments: Any) -> None:
        save(*arguments)
        if done == saves and not inside_write:
            die()

    training.save_checkpoint = save_and_die
    train(folder, resume=resume)


def in_process(target: Any, *arguments: Any, **options: Any) -> int | None:
    process = PROCESSES.Process(target=target, args=arguments, kwargs=options)
    process.start()
    process.join(300)
    return process.exitcode


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(folder)
    return folder


def assert_same_run(folder: Path, other: Path) -> None:
    assert same_tensors(load_file(folder / "weights.safetensors"), load_file(other / "weights.safetensors"))
    assert log_lines(folder / "log.jsonl") == log_lines(other / "log.jsonl")
    assert len(log_lines(folder / "log.jsonl")) == EPOCHS


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each optimiser step taken in this process."""
    taken: list[int] = []
    step = torch.optim.Adam.step

    def count(self: torch.optim.Adam, *arguments: Any) -> Any:
        taken.append(1)
        return step(self, *arguments)

    monkeypatch.setattr(torch.optim.Adam, "step", count)
    return taken


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


class WaitingModel(TinyModel):
    """Waits in its fifth training step until a signal has been sent to it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.steps = folder, 0

    def validation_loss(self, batch: Batch) -> Tensor:
        self.steps += self.training
        if self.steps == 5:
            (self.folder / "ready").touch()
            wait_for(self.folder / "sent")
        return super().validation_loss(batch)


def wait_for(file: Path) -> None:
    until = time.monotonic() + 300
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.005)


def train_and_tell(folder: Path) -> None:
    try:
        train(folder, WaitingModel(folder), checkpoint_seconds=1e6)
    except Interrupted as stopped:
        (folder / "said").write_text(str(stopped))


def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path, uninterrupted: Path, steps: list[int]) -> None:
    process = PROCESSES.Process(target=train_and_tell, args=(tmp_path,))
    process.start()
    wait_for(tmp_path / "ready")
    os.kill(process.pid or 0, signal.SIGINT)
    (tmp_path / "sent").touch()
    process.join(300)
    assert process.exitcode == 0
    said = (tmp_path / "said").read_text()
    assert said == "Stopped after epoch 1.7 of 4; the same command with --resume goes on from there."
    train(tmp_path, resume=True, checkpoint_seconds=1e6)
    assert len(steps) == STEPS - 5
    assert_same_run(tmp_path, uninterrupted)


def test_a_second_ctrl_c_stops_at_once_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        assert not interruption.asked
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_works_outside_the_main_thread(tmp_path: Path, uninterrupted: Path) -> None:
    thread = threading.Thread(target=train, args=(tmp_path,))
    thread.start()
    thread.join(300)
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


def fit(folder: Path, *, resume: bool = False, count: int = 8, **fields: Any) -> None:
    """A run of the real thing."""
    dataset = texture_dataset(folder / "images", count)
    config = small_config(**{"training__checkpoint_seconds": 0.0} | fields)
    out = folder / "model.safetensors"
    fit_dataset(dataset, config, out, weights="random", resume=resume, quiet=True)


def fit_until(folder: Path, saves: int) -> None:
    save = training.save_checkpoint
    done = 0

    def save_and_die(*arguments: Any) -> None:
        nonlocal done
        save(*arguments)
        done += 1
        if done == saves:
            die()

    training.save_checkpoint = save_and_die
    fit(folder)


def test_a_killed_fit_resumes_to_the_same_model_and_guards_its_checkpoint(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    fit(whole)
    assert in_process(fit_until, killed, 3) == -signal.SIGKILL  # 7 images in batches of 4, two epochs
    checkpoint = killed / "model.checkpoint"
    assert checkpoint.exists() and not (killed / "model.safetensors").exists()

    with pytest.raises(BlemishError, match="holds an unfinished run: add --resume"):
        fit(killed)
    with pytest.raises(BlemishError, match="belongs to a run with other images or settings"):
        fit(killed, resume=True, training__batch_size=5)
    with pytest.raises(BlemishError, match="belongs to a run with other images or settings"):
        fit(killed, resume=True, count=9)
    (killed / "images" / "008.png").unlink()
    fit(killed, resume=True)

    assert same_tensors(load_file(killed / "model.safetensors"), load_file(whole / "model.safetensors"))
    assert log_lines(killed / "model.log.jsonl") == log_lines(whole / "model.log.jsonl")
    assert sorted(p.name for p in killed.iterdir()) == ["images", "model.log.jsonl", "model.safetensors"]


def test_what_keeps_a_run_from_collapsing_may_change_when_it_goes_on(
    tmp_path: Path, steps: list[int]
) -> None:
    assert in_process(fit_until, tmp_path, 3) == -signal.SIGKILL  # of 2 x 2 steps
    changed: dict[str, Any] = {
        "learning_rate": 1e-5,
        "epochs": 3,
        "precision": "bf16",
        "checkpoint_seconds": 60.0,
    }
    fit(tmp_path, resume=True, **{f"training__{name}": changed[name] for name in changed})
    assert len(steps) == 3
    lines = log_lines(tmp_path / "model.log.jsonl")
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[0]["learning_rate"] > 9e-4 and max(line["learning_rate"] for line in lines[1:]) < 1e-5
    training_said = read_metadata(tmp_path / "model.safetensors").training
    assert {name: training_said[name] for name in changed} == changed
    assert (training_said["summary"]["epochs"], training_said["summary"]["precision"]) == (3, "bf16")


@pytest.mark.parametrize(
    "fields",
    [
        {"training__seed": 1},
        {"training__select": "last"},
        {"training__lr_decay": 0.5},
        {"training__adam_betas": (0.5, 0.999)},
        {"model__tokens": 4},
        {"false_alarm_rate": 0.1},
    ],
    ids=str,
)
def test_what_a_checkpoint_depends_on_may_not_change(fields: dict[str, Any], interrupted: Path) -> None:
    before = interrupted.read_bytes()
    with pytest.raises(BlemishError, match="belongs to a run with other images or settings"):
        fit(interrupted.parent, resume=True, **fields)
    assert interrupted.read_bytes() == before


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a fit that was killed."""
    folder = tmp_path_factory.mktemp("interrupted")
    assert in_process(fit_until, folder, 1) == -signal.SIGKILL
    return folder / "model.checkpoint"


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


def test_resuming_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BlemishError, match=r"no checkpoint .* to resume from; leave out --resume"):
        fit(tmp_path, resume=True)
    with pytest.raises(BlemishError, match=r"no checkpoint .* to resume from; leave out --resume"):
        train(tmp_path, resume=True)


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


def test_a_fit_that_fails_in_calibration_resumes_to_the_same_model(
    tmp_path: Path, steps: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, whole = tmp_path / "failed", tmp_path / "whole"
    fit(whole)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="no memory"):
        patch.setattr(TorchEngine, "__call__", lambda *_: (_ for _ in ()).throw(RuntimeError("no memory")))
        fit(failed)
    names = ["images", "model.checkpoint", "model.log.jsonl.part"]
    assert sorted(path.name for path in failed.iterdir()) == names
    steps.clear()
    fit(failed, resume=True)
    assert not steps
    assert same_tensors(load_file(failed / "model.safetensors"), load_file(whole / "model.safetensors"))
    assert log_lines(failed / "model.log.jsonl") == log_lines(whole / "model.log.jsonl")
