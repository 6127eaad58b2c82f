"""The model file."""

import json
import os
import pickle
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from blemish.errors import BlemishError, ModelFileError
from blemish.inference.detector import Detector
from blemish.inference.engines import read_metadata
from blemish.inference.model_file import PROBES, write_model
from tests.support import same_tensors, textures


@pytest.fixture
def copy(fitted: tuple[Detector, Path], tmp_path: Path) -> Path:
    """A model file to spoil."""
    file = tmp_path / "copy.safetensors"
    file.write_bytes(fitted[1].read_bytes())
    return file


def test_a_loaded_model_scores_bit_for_bit_the_same(fitted: tuple[Detector, Path]) -> None:
    detector, file = fitted
    again = Detector.load(file)
    for image in textures(4, seed=8):
        one, other = detector.predict(image), again.predict(image)
        assert (one.score, one.p_value, one.is_anomalous) == (other.score, other.p_value, other.is_anomalous)
        assert np.array_equal(one.anomaly_map, other.anomaly_map)  # type: ignore[arg-type]
    assert again.metadata == detector.metadata
    assert np.array_equal(again.calibration.scores, detector.calibration.scores)


def test_the_description_tells_how_the_model_was_made(fitted: tuple[Detector, Path]) -> None:
    metadata = read_metadata(fitted[1])
    assert (metadata.format_version, metadata.method) == (1, "gtrans")
    assert metadata.config["backbone"] == "test_resnet"
    assert metadata.frame.size == 64
    assert "random" in metadata.teacher
    assert len(metadata.calibration["scores"]) == metadata.data["held_out"] == 1
    assert metadata.data["images"] == 8 and len(metadata.data["sha256"]) == 64
    assert metadata.training["epochs"] == 2 and metadata.training["summary"]["kept_epoch"] in (1, 2)
    assert {"python", "blemish", "torch", "timm", "numpy"} <= set(metadata.versions)


def test_loading_unpickles_nothing(fitted: tuple[Detector, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    monkeypatch.setattr(torch, "load", refuse)
    assert Detector.load(fitted[1]).predict(textures(1)[0]).score is not None


def test_what_is_not_there_or_not_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no model file"):
        Detector.load(tmp_path / "none.safetensors")
    with pytest.raises(ModelFileError, match="no model file"):
        Detector.load(tmp_path)
    other = tmp_path / "model.pt"
    other.write_bytes(b"x" * 100)
    with pytest.raises(ModelFileError, match=r"a model ends in \.safetensors or \.onnx"):
        Detector.load(other)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.ones(3)}, foreign, {"format": "pt"})
    with pytest.raises(ModelFileError, match="was not made by Blemish"):
        Detector.load(foreign)


@pytest.mark.parametrize("kept", [0, 5, 100, 2000, -1])
def test_a_truncated_file_is_refused(kept: int, copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:kept])
    with pytest.raises(ModelFileError, match="damaged"):
        Detector.load(copy)


def rewrite(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change the description in a model file."""
    with safe_open(file, framework="pt") as opened:
        values = json.loads(opened.metadata()["blemish"])
    changed = change(values)
    text = json.dumps(values) if changed is None else changed
    save_file(load_file(file), file, {"blemish": text})


def set_to(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda values: values.update(fields)


@pytest.mark.parametrize(
    "change",
    [
        set_to(format_version="1"),
        set_to(format_version=None),
        set_to(format_version=0),
        set_to(format_version=-1),
        set_to(format_version=True),
        set_to(format_version=1.0),
        set_to(calibration={"scores": [10**400], "false_alarm_rate": 0.01}),
        set_to(method="nothing"),
        set_to(surprise=1),
        set_to(config={"backbone": "test_resnet", "surprise": 1}),
        set_to(config={"tokens": -1}),
        set_to(config={"token_dim": 10**12}),
        set_to(frame={"resize": 1}),
        set_to(calibration={"scores": [], "false_alarm_rate": 0.01}),
        set_to(calibration={"scores": ["a"], "false_alarm_rate": 0.01}),
        set_to(calibration={}),
        lambda values: values.pop("frame") and None,
        lambda values: "{",
        lambda values: "[1]",
        lambda values: "3",
        lambda values: "[" * 100_000 + "]" * 100_000,
    ],
)
def test_a_damaged_description_is_refused(change: Callable[[dict[str, Any]], Any], copy: Path) -> None:
    rewrite(copy, change)
    with pytest.raises(ModelFileError, match=r"The description in .* is damaged"):
        Detector.load(copy)


def test_a_newer_format_asks_for_an_upgrade(copy: Path) -> None:
    rewrite(copy, set_to(format_version=2, something_new=True))
    with pytest.raises(ModelFileError, match=r"has format 2 .* upgrade blemish"):
        Detector.load(copy)


@pytest.mark.parametrize("damage", ["missing", "surplus", "shape", "other config"])
def test_weights_that_do_not_fit_the_description_are_refused(damage: str, copy: Path) -> None:
    tensors = load_file(copy)
    metadata = read_metadata(copy)
    name = "mappers.0.query.weight"
    if damage == "missing":
        del tensors[name]
    if damage == "surplus":
        tensors["surplus"] = torch.ones(2)
    if damage == "shape":
        tensors[name] = torch.ones(2, 2)
    if damage == "other config":
        metadata = metadata.model_copy(update={"config": metadata.config | {"tokens": 5}})
    write_model(copy, tensors, metadata)
    with pytest.raises(ModelFileError, match="do not fit its description"):
        Detector.load(copy)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(file: int) -> None:
        raise OSError(28, "No space left on device")

    before, metadata = copy.read_bytes(), read_metadata(copy)
    monkeypatch.setattr(os, "fsync", fill_the_disk)
    with pytest.raises(BlemishError, match=r"cannot be written .*No space left"):
        write_model(copy, load_file(copy), metadata)
    assert copy.read_bytes() == before
    assert list(copy.parent.iterdir()) == [copy]


def test_writing_keeps_every_bit(fitted: tuple[Detector, Path], tmp_path: Path) -> None:
    file = tmp_path / "again.safetensors"
    model = fitted[0].engine.model  # type: ignore[attr-defined]
    write_model(file, model.state_dict(), read_metadata(fitted[1]))
    written = load_file(fitted[1])
    del written[PROBES]
    assert same_tensors(load_file(file), written)
    assert read_metadata(file) == read_metadata(fitted[1])


def test_a_description_of_a_huge_model_is_refused_before_it_takes_memory(copy: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    huge = {"backbone": "test_resnet", "tokens": 1024, "token_dim": 8192, "tfm_depth": 64}
    rewrite(copy, set_to(config=huge))
    with pytest.raises(ModelFileError, match="do not fit its description"):
        Detector.load(copy)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 500_000  # kilobytes
