"""Results are written whole and read back, whoever else writes."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from blemish.errors import BlemishError
from blemish.experiments.experiment import Experiment
from blemish.experiments.result import Result, Store
from tests.experiments.support import experiment


@pytest.fixture(scope="module")
def one(parts_folder: Path) -> Experiment:
    return experiment(parts_folder)


@pytest.fixture
def result(one: Experiment) -> Result:
    """0.1 has no exact form in decimal digits or in float32; one image could not be read."""
    images = [{"score": 0.1, "p_value": 1 / 3, "is_anomalous": False, "error": ""}] * 9
    unread = {"score": None, "p_value": None, "is_anomalous": None, "error": "It is damaged."}
    return Result(
        fingerprint=one.fingerprint,
        fit=one.fit,
        code="1.0",
        measured={"image": {"auroc": 0.875}},
        images=[unread, *images],
        score_seconds=1e-9,
        fit_seconds=60.5,
        peak_memory_mb=None,
        model_bytes=7,
        curve=[{"epoch": 1, "loss": 0.1}],
        facts={},
    )


def test_what_goes_in_comes_out(one: Experiment, result: Result, tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    assert store.read(one) is None
    store.write(result)
    assert Store(tmp_path / "results").read(one) == result
    assert store.read(one.tested(one.dataset.test[:1])) is None
    assert [path.name for path in store.folder.iterdir()] == [f"{one.fingerprint}.json"]


def test_rows_are_those_of_the_images_that_could_be_scored(one: Experiment, result: Result) -> None:
    rows = result.rows(one.dataset)
    assert [row["path"] for row in rows] == [str(sample.path) for sample in one.dataset.test[1:]]
    assert rows[0] == result.images[1] | {
        "path": str(one.dataset.test[1].path),
        "label": 0,
        "defect": "good",
        "mask": None,
    }
    assert rows[-1]["label"] == 1 and rows[-1]["mask"] == str(one.dataset.test[-1].mask)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"fingerprint": "x"}'])
def test_what_is_no_result_of_this_version_is_measured_anew(
    text: str, one: Experiment, result: Result, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    store.write(result)
    (tmp_path / f"{one.fingerprint}.json").write_text(text)
    assert store.read(one) is None
    more = asdict(result) | {"surprise": 1}
    (tmp_path / f"{one.fingerprint}.json").write_text(json.dumps(more))
    assert store.read(one) is None


def test_a_failed_write_leaves_the_old_result(
    one: Experiment, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    store = Store(tmp_path)
    store.write(result)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BlemishError, match="No space left"):
        store.write(replace(result, fit_seconds=1.0))
    assert store.read(one) == result and len(list(tmp_path.iterdir())) == 1


def test_several_may_write_at_once(one: Experiment, result: Result, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Store(tmp_path / "results").write(result), range(20)))
    assert Store(tmp_path / "results").read(one) == result
