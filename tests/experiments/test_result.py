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
    measured, curve = {"image": {"auroc": 0.875}}, [{"epoch": 1, "loss": 0.1}]
    return Result(
        one.fingerprint, one.fit, "1.0", measured, [unread, *images], 1e-9, 60.5, None, 7, curve, {}
    )


def test_what_goes_in_comes_out_whoever_else_writes(one: Experiment, result: Result, tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    assert store.read(one) is None
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: Store(tmp_path / "results").write(result), range(20)))
    assert store.read(one) == result and len(list(store.folder.iterdir())) == 1
    assert store.read(one.tested(one.dataset.test[:1])) is None


def test_rows_are_those_of_the_images_that_could_be_scored(one: Experiment, result: Result) -> None:
    rows = result.rows(one.dataset)
    first, last = one.dataset.test[1], one.dataset.test[-1]
    assert list(rows) == [str(sample.path) for sample in one.dataset.test[1:]]
    known = {"path": str(first.path), "label": 0, "defect": "good", "mask": None}
    assert rows[str(first.path)] == result.images[1] | known
    assert rows[str(last.path)]["label"] == 1 and rows[str(last.path)]["mask"] == str(last.mask)


def test_what_is_no_result_of_this_version_is_measured_anew(
    one: Experiment, result: Result, tmp_path: Path
) -> None:
    for text in ("", "{", "[1]", '{"fingerprint": "x"}', json.dumps(asdict(result) | {"surprise": 1})):
        (tmp_path / f"{one.fingerprint}.json").write_text(text)
        assert Store(tmp_path).read(one) is None, text


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
