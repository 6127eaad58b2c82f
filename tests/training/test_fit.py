"""From good images to a calibrated model file; what holds for every method is in `test_contract_fit`."""

import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from blemish.datasets import Dataset, Sample
from blemish.errors import BlemishError, ConfigError, DatasetError, WeightsError
from blemish.extras import install_command
from blemish.files import whole_file
from blemish.inference.detector import Detector
from blemish.models import weights as weights_module
from blemish.training import fit as fitting
from blemish.training.config import build_config
from blemish.training.fit import RunFiles, fit
from tests.support import BACKBONE, small_config, texture_dataset, textures

ONE_EPOCH = {"epochs": 1}


def fit_in(folder: Path, count: int = 6, **options: Any) -> Detector:
    config = options.pop("config", small_config(training=ONE_EPOCH))
    data = options.pop("data", None) or texture_dataset(folder / "images", count)
    return fit(data, config, folder / "model.safetensors", **({"weights": "random"} | options))


@pytest.fixture
def nothing_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "read_images", lambda *a, **k: pytest.fail("images were read"))


def test_it_says_what_it_does(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="blemish")
    fit_in(tmp_path, 3)
    assert [f"{one.levelname}: {one.message}" for one in caplog.records if one.name != "py.warnings"] == [
        "INFO: Fitting gtrans, preset improved, backbone test_resnet, to whole pictures at 64 x 64 pixels.",
        "INFO: 3 good images: 2 to learn from, 1 held out.",
        "WARNING: The teacher has random weights: for tests only, detects nothing.",
        "WARNING: 1 calibration image cannot support a false-alarm rate of 1 %; 50 % is used. "
        "99 would be enough.",
        "INFO: Pictures of other parts will not be told apart: the good images are too few, or differ too "
        "much among themselves.",
    ]


def test_what_a_crop_hides_is_told_of_the_image_that_loses_most(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number, image in enumerate(textures(4, size=96)):
        Image.fromarray(image[: 48 + 16 * number]).save(tmp_path / f"{number}.png")
    data = Dataset("textures", [Sample(path, label=0) for path in sorted(tmp_path.iterdir())])
    config = small_config(training=ONE_EPOCH, frame={"resize": 80, "crop": 64})
    detector = fit_in(tmp_path, config=config, data=data)
    assert detector.metadata["data"]["visible_share"] == 64**2 / (80 * 160)
    told = "The frame shows the network the central 32 % of a picture; frame.crop=none shows it whole ones."
    assert caplog.messages.count(told) == 1


def test_one_image_is_too_few_and_test_images_do_not_count(tmp_path: Path) -> None:
    train = texture_dataset(tmp_path / "images", 4).train
    never_read = [Sample(tmp_path / "never read.png", label=1)]
    with pytest.raises(DatasetError, match="has 1 good image to learn from"):
        fit_in(tmp_path, data=Dataset("textures", train[:1], never_read))
    assert fit_in(tmp_path, data=Dataset("textures", train, never_read)).metadata["data"]["images"] == 4


def test_what_is_missing_is_told_before_any_work(
    tmp_path: Path, nothing_read: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_module, "_cached", lambda model: None)
    monkeypatch.setattr(weights_module, "_hub_reachable", lambda: False)
    with pytest.raises(WeightsError, match="no pre-trained weights for test_resnet"):
        fit_in(tmp_path, weights=None)
    swin = small_config(model={"backbone": "swin_tiny_patch4_window7_224"})
    with pytest.raises(ConfigError, match="cannot take images of 64 x 64 pixels"):
        fit_in(tmp_path, config=swin)
    monkeypatch.setattr(fitting.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BlemishError, match=re.escape(install_command("train"))):
        fit_in(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.mark.parametrize(
    ("out", "resume", "words"),
    [
        ("model.pt", False, r"must end in \.safetensors"),
        ("missing/model.safetensors", False, "no folder .*missing"),
        ("folder.safetensors", False, "is a folder; name a file to write"),
        ("new.safetensors", True, r"no checkpoint .* to resume from; leave out --resume"),
        ("begun.safetensors", False, "holds an unfinished run: add --resume"),
    ],
)
def test_an_output_that_cannot_be_written_or_resumed_is_told_before_any_work(
    out: str, resume: bool, words: str, tmp_path: Path, nothing_read: None
) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "begun.checkpoint").touch()
    with pytest.raises(BlemishError, match=words):
        fit(Dataset("none"), small_config(), tmp_path / out, weights="random", resume=resume)
    RunFiles(tmp_path / "begun.safetensors").check_checkpoint(resume=True)


def test_a_model_that_another_run_fits_and_files_that_are_no_files_are_left_alone(
    tmp_path: Path, nothing_read: None
) -> None:
    out = tmp_path / "m.safetensors"
    with (
        whole_file(out, "wb"),
        pytest.raises(BlemishError, match="being written by another run; wait for it"),
    ):
        fit(Dataset("none"), small_config(), out, weights="random")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "m.log.jsonl").symlink_to("pipe")
    with pytest.raises(BlemishError, match="pipe is no regular file; move it away, or name another model"):
        fit(Dataset("none"), small_config(), out, weights="random")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.log.jsonl", out.name, "pipe"]


def test_a_fit_that_fails_leaves_the_old_model_and_its_log_and_one_that_does_not_replaces_both(
    tmp_path: Path,
) -> None:
    fit_in(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("model.*")}
    with pytest.raises(BlemishError, match="collapsed in epoch 1: the loss student is nan"):
        fit_in(tmp_path, config=small_config(training={"epochs": 1, "learning_rate": 1e38}))
    assert {path: path.read_bytes() for path in tmp_path.glob("model.*")} == before
    model, log = tmp_path / "model.safetensors", tmp_path / "model.log.jsonl"
    assert before.keys() == {model, log}
    fit_in(tmp_path, config=small_config(training={"epochs": 1, "seed": 1}))
    assert all(path.read_bytes() != content for path, content in before.items())
    spade = build_config(values={"method": "spade", "model": {"backbone": BACKBONE}})
    fit_in(tmp_path, config=spade)
    assert list(tmp_path.glob("model.*")) == [model], "the log of a model that is gone goes too"


def test_what_a_model_remarks_is_told_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blemish.models.gtrans.model.GTrans.remark", lambda *_: "It learned little.")
    assert fit_in(tmp_path).metadata["training"]["remark"] == "It learned little."
    assert "It learned little." in caplog.messages
