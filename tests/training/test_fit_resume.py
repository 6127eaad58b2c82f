"""A fit that is interrupted ends, when it is resumed, with the model it would have given."""

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from blemish.errors import BlemishError
from blemish.inference.engines import read_metadata
from blemish.inference.engines.torch import TorchEngine
from blemish.training.fit import fit
from tests.support import log_lines, same_tensors, small_config, texture_dataset
from tests.training.support import killed

pytestmark = pytest.mark.slow  # processes that are killed


def fit_in(folder: Path, *, resume: bool = False, count: int = 8, **values: Any) -> None:
    """A run of the real thing, with 7 images in batches of 4 in two epochs."""
    values["training"] = {"checkpoint_seconds": 0.0} | values.get("training", {})
    dataset = texture_dataset(folder / "images", count)
    fit(dataset, small_config(**values), folder / "model.safetensors", weights="random", resume=resume)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fit that nobody disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    fit_in(folder)
    return folder


def assert_same_fit(folder: Path, other: Path) -> None:
    assert same_tensors(load_file(folder / "model.safetensors"), load_file(other / "model.safetensors"))
    assert log_lines(folder / "model.log.jsonl") == log_lines(other / "model.log.jsonl")
    assert sorted(p.name for p in folder.iterdir()) == ["images", "model.log.jsonl", "model.safetensors"]


def test_a_killed_fit_resumes_to_the_same_model_and_guards_its_checkpoint(
    tmp_path: Path, whole: Path
) -> None:
    killed(3, False, fit_in, tmp_path)
    checkpoint = tmp_path / "model.checkpoint"
    before = checkpoint.read_bytes()
    assert not (tmp_path / "model.safetensors").exists()
    for changed in (
        {"count": 9},
        *({"training": one} for one in ({"batch_size": 5}, {"seed": 1}, {"select": "last"})),
        *({"training": one} for one in ({"lr_decay": 0.5}, {"adam_betas": (0.5, 0.999)})),
        {"model": {"tokens": 4}},
        {"false_alarm_rate": 0.1},
    ):
        with pytest.raises(BlemishError, match="belongs to a run with other images or settings"):
            fit_in(tmp_path, resume=True, **changed)
        assert checkpoint.read_bytes() == before
    (tmp_path / "images" / "008.png").unlink()
    fit_in(tmp_path, resume=True)
    assert_same_fit(tmp_path, whole)


def test_what_keeps_a_run_from_collapsing_may_change_when_it_goes_on(
    tmp_path: Path, rates: list[float]
) -> None:
    killed(3, False, fit_in, tmp_path)  # of 2 x 2 steps
    changed = {"learning_rate": 1e-5, "epochs": 3, "precision": "bf16", "checkpoint_seconds": 60.0}
    fit_in(tmp_path, resume=True, training=changed)
    assert len(rates) == 3
    lines = log_lines(tmp_path / "model.log.jsonl")
    assert [line["epoch"] for line in lines] == [1, 2, 3]
    assert lines[0]["learning_rate"] > 1e-4 and max(line["learning_rate"] for line in lines[1:]) < 1e-5
    said = read_metadata(tmp_path / "model.safetensors").training
    assert {name: said[name] for name in changed} == changed
    assert (said["summary"]["epochs"], said["summary"]["precision"]) == (3, "bf16")


def test_a_fit_that_fails_in_calibration_resumes_to_the_same_model_without_a_step(
    tmp_path: Path, whole: Path, rates: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="no memory"):
        patch.setattr(TorchEngine, "__call__", lambda *_: (_ for _ in ()).throw(RuntimeError("no memory")))
        fit_in(tmp_path)
    names = ["images", "model.checkpoint", "model.log.jsonl.part"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    rates.clear()
    fit_in(tmp_path, resume=True)
    assert not rates
    assert_same_fit(tmp_path, whole)
