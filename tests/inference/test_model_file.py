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
from blemish.files import write_whole
from blemish.inference.detector import Detector
from blemish.inference.engines import read_metadata
from blemish.inference.model_file import PROBES, model_bytes, read_probes
from tests.support import same_tensors, textures


@pytest.fixture
def copy(fitted: tuple[Detector, Path], tmp_path: Path) -> Path:
    """A model file to spoil."""
    file = tmp_path / "copy.safetensors"
    file.write_bytes(fitted[1].read_bytes())
    return file


def test_a_loaded_model_scores_bit_for_bit_the_same_and_nothing_is_unpickled(
    fitted: tuple[Detector, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("something was unpickled")

    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, refuse)
    detector, again = fitted[0], Detector.load(fitted[1])
    for image in textures(4, seed=8):
        one, other = detector.predict(image), again.predict(image)
        assert (one.score, one.p_value, one.is_anomalous) == (other.score, other.p_value, other.is_anomalous)
        assert np.array_equal(one.anomaly_map, other.anomaly_map)  # type: ignore[arg-type]
    assert again.metadata == detector.metadata
    assert np.array_equal(again.calibration.scores, detector.calibration.scores)


def test_the_description_tells_how_the_model_was_made(fitted: tuple[Detector, Path]) -> None:
    metadata = read_metadata(fitted[1])
    assert (metadata.format_version, metadata.method, metadata.frame.size) == (1, "gtrans", 64)
    assert metadata.config["backbone"] == "test_resnet" and "random" in metadata.teacher
    assert len(metadata.calibration["scores"]) == metadata.data["held_out"] == 1
    assert metadata.data["images"] == 8 and len(metadata.data["sha256"]) == 64
    assert metadata.training["epochs"] == 2 and metadata.training["summary"]["kept_epoch"] in (1, 2)
    assert {"python", "blemish", "torch", "timm", "numpy"} <= set(metadata.versions)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.safetensors", "no model file"),
        ("", "no model file"),
        ("model.pt", r"a model ends in \.safetensors or \.onnx"),
        ("foreign.safetensors", "was not made by Blemish"),
    ],
)
def test_what_is_not_there_or_not_ours_is_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "model.pt").write_bytes(b"x" * 100)
    save_file({"weight": torch.ones(3)}, tmp_path / "foreign.safetensors", {"format": "pt"})
    with pytest.raises(ModelFileError, match=words):
        Detector.load(tmp_path / name)


@pytest.mark.parametrize("kept", [0, 5, 100, 2000, -1])
def test_a_truncated_file_is_refused(kept: int, copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:kept])
    with pytest.raises(ModelFileError, match="damaged"):
        Detector.load(copy)


def rewrite(file: Path, change: dict[str, Any] | Callable[[str], str]) -> None:
    """Change fields of the description in a model file, or its text."""
    with safe_open(file, framework="pt") as opened:
        text = opened.metadata()["blemish"]
    text = json.dumps(json.loads(text) | change) if isinstance(change, dict) else change(text)
    save_file(load_file(file), file, {"blemish": text})


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": "1"},
        {"format_version": None},
        {"format_version": 0},
        {"format_version": -1},
        {"format_version": True},
        {"format_version": 1.0},
        {"method": "nothing"},
        {"surprise": 1},
        {"config": {"backbone": "test_resnet", "surprise": 1}},
        {"config": {"tokens": -1}},
        {"config": {"token_dim": 10**12}},
        {"frame": {"resize": 1}},
        {"calibration": {"scores": [10**400], "false_alarm_rate": 0.01}},
        {"calibration": {"scores": [], "false_alarm_rate": 0.01}},
        {"calibration": {"scores": ["a"], "false_alarm_rate": 0.01}},
        {"calibration": {}},
        lambda text: text.replace('"frame"', '"frames"'),
        lambda text: "{",
        lambda text: "[1]",
        lambda text: "3",
        lambda text: "[" * 100_000 + "]" * 100_000,
        {"format_version": 2, "something_new": True},
    ],
)
def test_a_damaged_or_newer_description_is_refused(change: Any, copy: Path) -> None:
    rewrite(copy, change)
    newer = isinstance(change, dict) and change.get("format_version") == 2
    words = r"has format 2 .* upgrade blemish" if newer else r"The description in .* is damaged"
    with pytest.raises(ModelFileError, match=words):
        Detector.load(copy)


@pytest.mark.parametrize("damage", ["missing", "surplus", "shape", "other config", "probes"])
def test_tensors_that_do_not_fit_the_description_are_refused(damage: str, copy: Path) -> None:
    tensors = load_file(copy)
    metadata = read_metadata(copy)
    assert read_probes(copy, 64).shape[1:] == (64, 64, 3)
    name = "mappers.0.query.weight"
    if damage == "missing":
        del tensors[name], tensors[PROBES]
    if damage == "surplus":
        tensors["surplus"] = torch.ones(2)
    if damage == "shape":
        tensors[name] = torch.ones(2, 2)
    if damage == "other config":
        metadata = metadata.model_copy(update={"config": metadata.config | {"tokens": 5}})
    if damage == "probes":
        tensors[PROBES] = tensors[PROBES].float()
    write_whole(copy, model_bytes(tensors, metadata))
    with pytest.raises(ModelFileError, match=r"do not fit its description|probe images in .* are damaged"):
        read_probes(copy, 64) if damage == "probes" else Detector.load(copy)
    assert damage != "missing" or read_probes(copy, 64).shape == (0, 64, 64, 3), "as in older files"


def test_a_description_of_a_huge_model_is_refused_before_it_takes_memory(copy: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    huge = {"backbone": "test_resnet", "tokens": 1024, "token_dim": 8192, "tfm_depth": 64}
    rewrite(copy, {"config": huge})
    with pytest.raises(ModelFileError, match="do not fit its description"):
        Detector.load(copy)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 500_000  # kilobytes


def test_a_write_keeps_every_bit_or_the_old_file(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_the_disk(file: int) -> None:
        raise OSError(28, "No space left on device")

    before, tensors, metadata = copy.read_bytes(), load_file(copy), read_metadata(copy)
    write_whole(copy, model_bytes(tensors, metadata))
    assert same_tensors(load_file(copy), tensors) and read_metadata(copy) == metadata
    copy.write_bytes(before)
    monkeypatch.setattr(os, "fsync", fill_the_disk)
    with pytest.raises(BlemishError, match=r"cannot be written .*No space left"):
        write_whole(copy, model_bytes(tensors, metadata))
    assert copy.read_bytes() == before
    assert list(copy.parent.iterdir()) == [copy]
