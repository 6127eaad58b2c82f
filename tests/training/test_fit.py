"""From good images to a calibrated model file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from blemish.datasets import Dataset, Sample, load_frames
from blemish.errors import BlemishError, ConfigError, DatasetError, ImageError, WeightsError
from blemish.evaluation.evaluate import evaluate
from blemish.training import fit as fitting
from blemish.training import read_images as fit_images
from blemish.training.batches import split_indices
from blemish.training.fit import fit_dataset
from tests.support import (
    BACKBONE,
    log_lines,
    same_tensors,
    small_config,
    small_fit,
    texture_dataset,
    texture_files,
)


def fit(folder: Path, count: int = 6, **options: Any) -> Any:
    config = options.pop("config", small_config(training__epochs=1))
    dataset = options.pop("dataset", None) or texture_dataset(folder / "images", count)
    out = options.pop("out", folder / "model.safetensors")
    return fit_dataset(dataset, config, out, **({"weights": "random", "quiet": True} | options))


def test_a_seed_decides_everything(tmp_path: Path) -> None:
    files = []
    for number, seed in enumerate((0, 0, 1)):
        (tmp_path / str(number)).mkdir()
        files.append(small_fit(tmp_path / str(number), training__seed=seed)[1])
    one, same, other = (load_file(file) for file in files)
    assert same_tensors(one, same)
    assert not same_tensors(one, other)
    logs = [log_lines(file.with_name("model.log.jsonl")) for file in files]
    assert logs[0] == logs[1] != logs[2]


def test_the_held_out_images_and_only_they_calibrate(tmp_path: Path) -> None:
    detector, _ = small_fit(tmp_path, count=12, training__validation_share=0.3)
    dataset = texture_dataset(tmp_path / "images", 12)
    images, _, _ = load_frames(dataset.train, detector.frame)
    _, hold_out = split_indices(12, 0.3, 0)
    expected = sorted(detector.engine(images[hold_out])[0].tolist())
    assert len(hold_out) == 3
    assert detector.calibration.scores.tolist() == pytest.approx(expected, rel=1e-6)
    assert detector.calibration.false_alarm_rate == 0.01


@pytest.mark.parametrize("count", [2, 3])
def test_two_or_three_images_are_enough_to_fit(count: int, tmp_path: Path) -> None:
    said: list[str] = []
    detector = fit(tmp_path, count, say=said.append)
    assert said == [
        "The teacher has random weights: for tests only, detects nothing.",
        f"{count} good images: {count - 1} to learn from, 1 held out.",
    ]
    assert detector.predict(tmp_path / "images" / "000.png").score > 0


def test_one_image_is_not(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has 1 good image to learn from"):
        fit(tmp_path, 1)


def test_the_test_part_is_not_touched(tmp_path: Path) -> None:
    train = texture_dataset(tmp_path / "images", 4).train
    dataset = Dataset("textures", train, [Sample(tmp_path / "never read.png", label=1)])
    assert fit(tmp_path, dataset=dataset).metadata["data"]["images"] == 4


def test_the_teacher_is_loaded_and_stays_as_it_was(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(3)
    state = {k: v.contiguous() for k, v in timm.create_model(BACKBONE).state_dict().items()}
    save_file(state, tmp_path / "teacher.safetensors")
    detector = fit(tmp_path, weights=tmp_path / "teacher.safetensors")
    weights = load_file(tmp_path / "model.safetensors")
    teacher = {k.removeprefix("agn.backbone.network."): v for k, v in weights.items() if "agn" in k}
    kept = {k: v for k, v in teacher.items() if k in state}
    assert len(kept) > 20 and all(torch.equal(value, state[name]) for name, value in kept.items())
    assert detector.metadata["teacher"] == "teacher.safetensors"


def test_without_weights_nothing_is_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from blemish.models import weights

    monkeypatch.setattr(weights, "_cached", lambda model: None)
    monkeypatch.setattr(weights, "_hub_reachable", lambda: False)
    monkeypatch.setattr(fitting, "read_images", lambda *a, **k: pytest.fail("images were read"))
    with pytest.raises(WeightsError, match="no ImageNet weights for test_resnet"):
        fit(tmp_path, weights=None)
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("model.pt", r"must end in \.safetensors"),
        ("missing/model.safetensors", "no folder .*missing"),
        ("folder.safetensors", "cannot be written; choose another place"),
    ],
)
def test_an_output_that_cannot_be_written_is_told_before_any_work(
    out: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    monkeypatch.setattr(fitting, "read_images", lambda *a, **k: pytest.fail("images were read"))
    with pytest.raises(BlemishError, match=words):
        fit(tmp_path, out=tmp_path / out)


def test_a_tracker_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = fitting.importlib.util.find_spec
    monkeypatch.setattr(
        fitting.importlib.util, "find_spec", lambda name: None if name == "wandb" else find(name)
    )
    with pytest.raises(ConfigError, match=r"wandb is not installed; pip install .*trackers"):
        fit(tmp_path, config=small_config(training__tracker="wandb"))


def test_without_torch_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BlemishError, match=r'pip install "blemish\[train\]"'):
        fit(tmp_path)


def with_bad_files(folder: Path) -> Dataset:
    paths = texture_files(folder, 7)
    paths[1].write_bytes(b"not an image")
    paths[4].write_bytes(paths[4].read_bytes()[:200])
    return Dataset("textures", [Sample(path, label=0) for path in paths])


def test_unreadable_files_stop_a_fit_unless_they_may_be_skipped(tmp_path: Path) -> None:
    dataset = with_bad_files(tmp_path / "images")
    with pytest.raises(ImageError, match=r"001\.png"):
        fit(tmp_path, dataset=dataset)
    said: list[str] = []
    detector = fit(tmp_path, dataset=dataset, skip_unreadable=True, say=said.append)
    assert detector.metadata["data"]["images"] == 5
    assert ["001.png" in said[0], "004.png" in said[1]] == [True, True]
    assert said[2] == "2 of 7 images were skipped as unreadable."


def test_too_few_readable_files_are_refused(tmp_path: Path) -> None:
    dataset = with_bad_files(tmp_path / "images")
    few = Dataset("textures", [dataset.train[0], dataset.train[1], dataset.train[4]])
    with pytest.raises(DatasetError, match="has 1 good image"):
        fit(tmp_path, dataset=few, skip_unreadable=True)


def test_images_beyond_the_memory_budget_are_kept_in_a_file_and_learnt_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = []
    store = fit_images._image_store

    def spy(*arguments: Any, **options: Any) -> np.ndarray:
        stored.append(store(*arguments, **options))
        return stored[-1]

    monkeypatch.setattr(fit_images, "_image_store", spy)
    for name in ("memory", "file"):
        (tmp_path / name).mkdir()
    config = small_config(training__epochs=1, training__cache_gigabytes=0.0)
    in_file = fit(tmp_path / "file", config=config)
    in_memory = fit(tmp_path / "memory")
    assert isinstance(stored[0], np.memmap) and not isinstance(stored[1], np.memmap)
    assert in_file.metadata["data"]["sha256"] == in_memory.metadata["data"]["sha256"]
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("memory", "file"))
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-3, atol=1e-4)
    names = sorted(path.name for path in (tmp_path / "file").iterdir())
    assert names == ["images", "model.log.jsonl", "model.safetensors"]


def test_a_disk_too_small_for_the_images_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(fit_images.shutil, "disk_usage", lambda folder: usage(10, 5, 5))
    with pytest.raises(BlemishError, match=r"has 0\.0 GB free; make room, or raise"):
        fit(tmp_path, config=small_config(training__cache_gigabytes=0.0))


def test_a_fit_that_fails_leaves_the_old_model_and_its_log(tmp_path: Path) -> None:
    fit(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("model.*")}
    with pytest.raises(BlemishError, match="collapsed in epoch 1: the loss student is nan"):
        fit(tmp_path, config=small_config(training__learning_rate=1e38))
    assert {path: path.read_bytes() for path in tmp_path.glob("model.*")} == before


def test_measuring_on_the_images_of_the_fit_is_noticed(tmp_path: Path) -> None:
    detector = fit(tmp_path, 4)
    fresh = texture_files(tmp_path / "fresh", 7)[4:]
    fitted = sorted((tmp_path / "images").glob("*.png"))
    samples = [Sample(path, label=0) for path in [*fresh, *fitted[:3]]]
    assert evaluate(detector, samples).notes[0].startswith("3 of 6 images were used to fit this model")
    assert not any("used to fit" in note for note in evaluate(detector, samples[:3]).notes)
