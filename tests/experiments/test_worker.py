"""A fit and everything measured with its weights, in this process."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from blemish.errors import BlemishError
from blemish.evaluation.evaluate import evaluate
from blemish.experiments.experiment import Experiment, code_version
from blemish.experiments.result import Result
from blemish.experiments.worker import Job, run_job
from blemish.inference.detector import Detector
from tests.experiments.support import STEM, experiment, scores


def run(folder: Path, *experiments: Experiment, keep: tuple[str, ...] = ()) -> list[Result]:
    return run_job(Job(experiments, folder, None, keep, code_version()))


def test_what_is_measured_is_an_evaluation_and_what_is_kept_stays(
    parts_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "blemish")
    one = experiment(parts_folder)
    (result,) = run(tmp_path, one, keep=("weights", "maps"))
    assert (result.fingerprint, result.fit, result.code) == (one.fingerprint, one.fit, code_version())
    expected = evaluate(Detector.load(tmp_path / f"{STEM}.safetensors"), one.dataset.test)
    assert result.measured["image"] == expected.image and result.measured["pixel"] == expected.pixel
    assert result.measured["detected"] == expected.detected and result.measured["calibrated_on"] == 1
    assert scores(result) == [row["score"] for row in expected.images]
    assert [entry["epoch"] for entry in result.curve] == [1] and result.fit_seconds > 0
    maps = sorted((tmp_path / "maps" / STEM).rglob("*.npy"))
    assert len(maps) == 10 and np.load(maps[0]).shape == (96, 96)

    job = Job([one], tmp_path)
    assert job.fitted and "already fitted." not in caplog.messages
    (again,) = run(tmp_path, one)
    assert scores(again) == scores(result) and "already fitted." in caplog.messages
    assert job.fitted, "what is kept once stays"
    (tmp_path / f"{STEM}.safetensors").write_bytes(b"of something else")
    assert not job.fitted


def test_a_result_does_not_depend_on_what_shares_its_fit(parts_folder: Path, tmp_path: Path) -> None:
    """Not even its threshold, although the model file was calibrated under another scoring."""
    parts = shutil.copytree(parts_folder, tmp_path / "parts")
    shutil.copy(parts / "train/good/000.png", parts / "train/good/00.png")  # learned from once
    one, other = experiment(parts), experiment(parts, model={"combine": "P4"})
    shared, alone = run(tmp_path, one, other)[1], run(tmp_path, other)[0]
    assert shared.measured == alone.measured and shared.images == alone.images
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize("of", ["this fit", "another"])
def test_a_checkpoint_that_is_of_no_use_is_no_hindrance(of: str, parts_folder: Path, tmp_path: Path) -> None:
    one = experiment(parts_folder)
    record = {"fit": one.fit if of == "this fit" else of, "seconds": 0.0, "keep": []}
    (tmp_path / f"{STEM}.json").write_text(json.dumps(record))
    (tmp_path / f"{STEM}.checkpoint").write_bytes(b"damaged")
    (result,) = run(tmp_path, one)
    assert len(result.images) == 10


def test_other_sources_are_refused(parts_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BlemishError, match=r"^This worker has blemish .* and the caller 0\.0; install the"):
        run_job(Job([experiment(parts_folder)], tmp_path, code="0.0"))
