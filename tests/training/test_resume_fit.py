"""A fit that is interrupted ends, when it is resumed, with the model it would have given."""

import signal
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from blemish.errors import BlemishError
from blemish.inference.engines import read_metadata
from blemish.inference.engines.torch import TorchEngine
from blemish.training import loop as training
from blemish.training.fit import fit_dataset
from tests.support import (
    log_lines,
    same_tensors,
    small_config,
    texture_dataset,
)
from tests.training.killed import die, in_process, train
from tests.training.killed import steps as steps


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


def test_resuming_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BlemishError, match=r"no checkpoint .* to resume from; leave out --resume"):
        fit(tmp_path, resume=True)
    with pytest.raises(BlemishError, match=r"no checkpoint .* to resume from; leave out --resume"):
        train(tmp_path, resume=True)
