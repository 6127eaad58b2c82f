"""From good images to a calibrated model file; what holds for every method is in `test_contract_fit`."""

import logging
from pathlib import Path
from typing import Any

import pytest

from blemish.datasets import Dataset, Sample
from blemish.errors import BlemishError, DatasetError, WeightsError
from blemish.evaluation.evaluate import evaluate
from blemish.inference.detector import Detector
from blemish.models import weights as weights_module
from blemish.training import fit as fitting
from blemish.training.fit import fit
from tests.support import small_config, texture_dataset, texture_files


def fit_in(folder: Path, count: int = 6, **options: Any) -> Detector:
    config = options.pop("config", small_config(training={"epochs": 1}))
    data = options.pop("data", None) or texture_dataset(folder / "images", count)
    return fit(data, config, folder / "model.safetensors", **({"weights": "random"} | options))


@pytest.fixture
def nothing_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "read_images", lambda *a, **k: pytest.fail("images were read"))


@pytest.mark.parametrize("count", [2, 3])
def test_it_says_what_it_does(count: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="blemish")
    fit_in(tmp_path, count)
    assert [
        (record.levelname, record.message) for record in caplog.records if record.name != "py.warnings"
    ] == [
        ("INFO", "Fitting gtrans, preset improved."),
        ("INFO", f"{count} good images: {count - 1} to learn from, 1 held out."),
        ("WARNING", "The teacher has random weights: for tests only, detects nothing."),
        (
            "WARNING",
            "1 calibration image cannot support a false-alarm rate of 1 %; 50 % is used. 99 would be enough.",
        ),
    ]


def test_one_image_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has 1 good image to learn from"):
        fit_in(tmp_path, 1)


def test_the_test_part_is_not_touched(tmp_path: Path) -> None:
    train = texture_dataset(tmp_path / "images", 4).train
    data = Dataset("textures", train, [Sample(tmp_path / "never read.png", label=1)])
    assert fit_in(tmp_path, data=data).metadata["data"]["images"] == 4


def test_without_weights_nothing_is_fitted(
    tmp_path: Path, nothing_read: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_module, "_cached", lambda model: None)
    monkeypatch.setattr(weights_module, "_hub_reachable", lambda: False)
    with pytest.raises(WeightsError, match="no ImageNet weights for test_resnet"):
        fit_in(tmp_path, weights=None)
    assert not (tmp_path / "model.safetensors").exists()


def test_an_output_that_cannot_be_written_is_told_before_any_work(tmp_path: Path, nothing_read: None) -> None:
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(BlemishError, match="is a folder; name a file to write"):
        fit_in(tmp_path)


def test_without_torch_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BlemishError, match=r'pip install "blemish\[train\]"'):
        fit_in(tmp_path)


def test_a_fit_that_fails_leaves_the_old_model_and_its_log(tmp_path: Path) -> None:
    fit_in(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("model.*")}
    with pytest.raises(BlemishError, match="collapsed in epoch 1: the loss student is nan"):
        fit_in(tmp_path, config=small_config(training={"epochs": 1, "learning_rate": 1e38}))
    assert {path: path.read_bytes() for path in tmp_path.glob("model.*")} == before


def test_what_a_model_remarks_is_told_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blemish.models.gtrans.model.GTrans.remark", lambda *_: "It learned little.")
    assert fit_in(tmp_path).metadata["training"]["remark"] == "It learned little."
    assert "It learned little." in caplog.messages


def test_measuring_on_the_images_of_the_fit_is_noticed(tmp_path: Path) -> None:
    detector = fit_in(tmp_path, 4)
    fresh = texture_files(tmp_path / "fresh", 7)[4:]
    fitted = sorted((tmp_path / "images").glob("*.png"))
    samples = [Sample(path, label=0) for path in [*fresh, *fitted[:3]]]
    assert evaluate(detector, samples).notes[0].startswith("3 of 6 images were used to fit this model")
    assert not any("used to fit" in note for note in evaluate(detector, samples[:3]).notes)
