"""What every method does between image files and a model file that scores, under each of its presets."""

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from blemish.datasets import Dataset
from blemish.datasets.loading import load_rows
from blemish.errors import ConfigError, Interrupted, ModelFileError
from blemish.inference.detector import Detector
from blemish.inference.engines import read_metadata
from blemish.inference.model_file import PROBES, model_bytes
from blemish.models.registry import METHODS, config_class
from blemish.training import loop
from blemish.training.batches import split_indices
from blemish.training.checks import one_pass_fields
from blemish.training.config import RunConfig, build_config
from blemish.training.fit import fit
from tests.models.support import FIELDS, SIZE, TRAINED, TRAINING_FREE, whole_classifier
from tests.support import log_lines, same_tensors, texture_dataset, textures

COUNT, SHARE = 10, 0.3
HELD_OUT = split_indices(COUNT, SHARE, seed=0)[1]
PRESETS = [(method, preset) for method in METHODS for preset in config_class(method).presets]
TAUGHT = [method for method in METHODS if "backbone" in config_class(method).model_fields]


def small_run(method: str, preset: str | None = None, *, seed: int = 0, **fields: Any) -> RunConfig:
    training: dict[str, Any] = {"seed": seed}
    if not config_class(method).leave_one_out:
        training["validation_share"] = SHARE
    if method in TRAINED:
        training |= {"epochs": 1, "batch_size": 4, "precision": "fp32"}
    values = {"method": method, "preset": preset, "frame": {"resize": SIZE, "crop": "none"}}
    return build_config(values=values | {"model": FIELDS.get(method, {}) | fields, "training": training})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return texture_dataset(tmp_path_factory.mktemp("images"), COUNT)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("weights") / "teacher.safetensors"
    save_file(whole_classifier(), file)
    return file


class Fitted(NamedTuple):
    config: RunConfig
    detector: Detector
    file: Path


def fitted_in(folder: Path, config: RunConfig, data: Dataset, teacher: Path, **options: Any) -> Fitted:
    weights = teacher if config.method in TAUGHT else None
    file = folder / "model.safetensors"
    return Fitted(config, fit(data, config, file, weights=weights, **options), file)


@pytest.fixture(scope="module", params=PRESETS, ids="-".join)
def fitted(
    request: pytest.FixtureRequest, data: Dataset, teacher: Path, tmp_path_factory: pytest.TempPathFactory
) -> Fitted:
    return fitted_in(tmp_path_factory.mktemp("model"), small_run(*request.param), data, teacher)


def test_a_file_that_says_what_it_is_and_the_log_of_a_training_are_left(fitted: Fitted) -> None:
    metadata, config = read_metadata(fitted.file), fitted.config
    assert (metadata.method, metadata.preset) == (config.method, config.preset)
    assert (metadata.config, metadata.frame) == (config.model.model_dump(mode="json"), config.frame)
    assert metadata.teacher == ("teacher.safetensors" if config.method in TAUGHT else "")
    calibrating = COUNT if config.model.leave_one_out else len(HELD_OUT)
    assert metadata.data["images"] == COUNT and len(metadata.map_peaks) == calibrating
    assert metadata.data["held_out"] == (0 if config.model.leave_one_out else calibrating)
    summary, left = metadata.training["summary"], {path.name for path in fitted.file.parent.iterdir()}
    assert summary["precision"] == "fp32" and summary["seconds"] >= 0
    if config.method in TRAINED:
        said = config.training.model_dump(mode="json")
        log = log_lines(fitted.file.with_suffix(".log.jsonl"))
        assert (summary["epochs"], summary["kept_epoch"], summary["processes"]) == (1, 1, 1)
        assert summary["validation_loss"] == log[-1]["validation_loss"]
        assert left == {"model.safetensors", "model.log.jsonl"}
    else:
        said = config.training.model_dump(mode="json", include=one_pass_fields(type(config.model)))
        assert "epochs" not in summary and left == {"model.safetensors"}
    assert metadata.training == said | {"summary": summary, "remark": metadata.training["remark"]}


def test_a_loaded_model_scores_bit_for_bit_the_same(fitted: Fitted) -> None:
    images = textures(5, seed=3, size=SIZE)
    loaded = Detector.load(fitted.file)
    for one, other in zip(fitted.detector.engine(images), loaded.engine(images), strict=True):
        assert np.isfinite(one).all() and np.array_equal(one, other)
    shown, again = (detector.engine.explain(images) for detector in (fitted.detector, loaded))
    assert (shown is None) == (again is None)
    assert all(np.array_equal(one, other) for one, other in zip(shown or (), again or (), strict=True))
    assert loaded.metadata == fitted.detector.metadata


def test_what_is_held_or_left_out_calibrates(fitted: Fitted, data: Dataset) -> None:
    images = load_rows(data.train, fitted.config.frame).images
    engine: Any = fitted.detector.engine
    rows = np.arange(COUNT) if fitted.config.model.leave_one_out else np.array(HELD_OUT)
    scores, maps = engine(images[rows])
    if fitted.config.model.remembers_all:
        remembered = scores
        found = [(engine.model.leave_out(np.array([row])), *engine(images[[row]])) for row in rows]
        engine.model.leave_out(np.empty(0))
        scores, maps = (np.concatenate(part) for part in list(zip(*found, strict=True))[1:])
        assert (scores > remembered + 0.01).all(), "an image that is remembered has no distance"
    images = images[rows[::2]] if fitted.config.model.leave_one_out else images[rows]  # go into the file
    assert fitted.detector.calibration.scores.tolist() == pytest.approx(sorted(scores.tolist()), rel=1e-5)
    peaks = fitted.detector.metadata["map_peaks"]
    assert peaks == pytest.approx(maps.max(axis=(1, 2)).tolist(), rel=1e-5) and min(peaks) > 0
    assert fitted.detector.calibration.false_alarm_rate == 0.01
    assert sorted(load_file(fitted.file)[PROBES].flatten(1).sum(1)) == sorted(
        torch.tensor(images).flatten(1).sum(1)
    )


def test_the_teacher_is_loaded_and_stays_as_it_was(fitted: Fitted, teacher: Path) -> None:
    given, found = load_file(teacher), load_file(fitted.file)
    prefix = "agn.backbone.network." if fitted.config.method == "gtrans" else "features.backbone.network."
    kept = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
    assert (len(kept) > 20) is (fitted.config.method in TAUGHT)
    assert same_tensors(kept, {name: given[name] for name in kept})


def test_a_seed_decides_everything(fitted: Fitted, data: Dataset, teacher: Path, tmp_path: Path) -> None:
    others = []
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        config = fitted.config.with_seed(seed)
        others.append(fitted_in(tmp_path / str(seed), config, data, teacher).file)
    one, same, other = (load_file(file) for file in (fitted.file, *others))
    assert same_tensors(one, same) and not same_tensors(one, other)
    if fitted.config.method in TRAINED:
        logs = [log_lines(file.with_suffix(".log.jsonl")) for file in (fitted.file, *others)]
        assert logs[0] == logs[1] != logs[2]


def test_an_interrupted_training_resumes_to_the_same_model(
    fitted: Fitted, data: Dataset, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fitted.config.method in TRAINING_FREE:
        with pytest.raises(ConfigError, match="fits in one pass and leaves nothing to resume"):
            fitted_in(tmp_path, fitted.config, data, teacher, resume=True)
        return
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match=r"after epoch 0.5 of 1; .*resume"):
        patch.setattr(loop, "Interruption", lambda: nullcontext(SimpleNamespace(asked=True)))
        fitted_in(tmp_path, fitted.config, data, teacher)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.checkpoint", "model.log.jsonl.part"]
    file = fitted_in(tmp_path, fitted.config, data, teacher, resume=True).file
    assert same_tensors(load_file(fitted.file), load_file(file))
    assert read_metadata(fitted.file).calibration == read_metadata(file).calibration
    texts = (one.with_suffix(".log.jsonl").read_text().splitlines() for one in (fitted.file, file))
    one, other = ([json.loads(line) | {"seconds": 0} for line in text] for text in texts)
    assert one == other and len(one) == 3


@pytest.mark.parametrize("lie", ["missing", "scalar", "empty", "wider", "more"])
def test_a_file_that_lies_about_its_shapes_is_refused_before_it_is_read(
    fitted: Fitted, lie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blemish.inference.engines.torch.load_file", lambda path: pytest.fail("it was read"))
    whole = load_file(fitted.file)
    learned = [name for name in whole if "." not in name]  # by a training-free model
    for name in learned or [next(name for name in whole if whole[name].ndim > 1)]:
        value = whole[name]
        lies = {
            "missing": {key: one for key, one in whole.items() if key != name},
            "scalar": whole | {name: torch.tensor(1.0)},
            "empty": whole | {name: value[:0].clone()},
            "wider": whole | {name: torch.cat([value] * 2, dim=-1)},
            "more": whole | {"more": torch.ones(2)},
        }
        content = model_bytes(lies[lie], read_metadata(fitted.file))
        (tmp_path / "model.safetensors").write_bytes(content)
        with pytest.raises(ModelFileError, match="do not fit its description"):
            Detector.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("method", METHODS)
def test_two_images_are_enough(method: str, data: Dataset, teacher: Path, tmp_path: Path) -> None:
    few = Dataset("few", data.train[:2])
    detector = fitted_in(tmp_path, small_run(method), few, teacher).detector
    assert detector.predict(textures(1, seed=4)[0]).score > 0
