"""Fitting without training: one pass, from the images to the exported model."""

import csv
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from blemish.datasets import load_frames
from blemish.errors import ConfigError, Interrupted, ModelFileError
from blemish.inference.detector import Detector
from blemish.inference.engines import read_metadata
from blemish.inference.model_file import write_model
from blemish.models.memory_bank.patchcore import PatchCore
from blemish.training.batches import split_indices
from blemish.training.config import RunConfig, build_config
from blemish.training.fit import fit_dataset
from tests.cli.test_cli import blemish, sentence
from tests.support import BACKBONE, SIZE, same_tensors, texture_dataset, textures

METHODS = ("patchcore", "padim", "spade")
LEARNED = {
    "patchcore": {"memory"},
    "padim": {"drawn", "mean", "whitening"},
    "spade": {"pooled", "gallery"},
}


def config(method: str, **fields: Any) -> RunConfig:
    small = {"model__backbone": BACKBONE, "frame__resize": SIZE, "frame__crop": SIZE}
    if method == "padim":
        small["model__channels"] = 10
    return build_config(method=method, **(small | fields))


def fit(folder: Path, method: str, *, count: int = 8, **options: Any) -> Detector:
    run = options.pop("run", None) or config(method)
    dataset = texture_dataset(folder / "images", count)
    out = folder / "model.safetensors"
    return fit_dataset(dataset, run, out, **({"weights": "random", "quiet": True} | options))


@pytest.fixture(scope="module", params=METHODS)
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Detector, Path]:
    folder = tmp_path_factory.mktemp(request.param)
    return fit(folder, request.param), folder / "model.safetensors"


@pytest.fixture
def copy(fitted: tuple[Detector, Path], tmp_path: Path) -> Path:
    file = tmp_path / "copy.safetensors"
    file.write_bytes(fitted[1].read_bytes())
    return file


def test_the_file_tells_what_happened_and_nothing_else(fitted: tuple[Detector, Path]) -> None:
    metadata = read_metadata(fitted[1])
    assert set(metadata.training) == {
        "validation_share",
        "seed",
        "deterministic",
        "cache_gigabytes",
        "summary",
        "remark",
    }
    assert set(metadata.training["summary"]) == {"seconds", "peak_memory_mb", "precision"}
    assert metadata.training["summary"]["precision"] == "fp32"
    assert metadata.config["backbone"] == BACKBONE and "random" in metadata.teacher
    assert len(metadata.map_peaks) == metadata.data["held_out"] == 1
    assert sorted(path.name for path in fitted[1].parent.iterdir()) == ["images", "model.safetensors"]


def test_a_loaded_model_scores_bit_for_bit_the_same(fitted: tuple[Detector, Path]) -> None:
    detector, file = fitted
    again = Detector.load(file)
    for image in textures(3, seed=8):
        one, other = detector.predict(image), again.predict(image)
        assert one.score == other.score > 0
        assert np.array_equal(one.anomaly_map, other.anomaly_map)  # type: ignore[arg-type]
    assert again.metadata == detector.metadata


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_decides_everything(method: str, tmp_path: Path) -> None:
    files = []
    for number, seed in enumerate((0, 0, 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        fit(folder, method, run=config(method, training__seed=seed))
        files.append(load_file(folder / "model.safetensors"))
    assert same_tensors(files[0], files[1])
    assert any(not torch.equal(files[0][name], files[2][name]) for name in LEARNED[method])


@pytest.mark.parametrize("method", METHODS)
def test_held_out_images_calibrate_and_are_not_remembered(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = config(method, training__validation_share=0.3)
    shown: list[np.ndarray] = []
    learn = type(fit(tmp_path, method).engine.model).learn  # type: ignore[attr-defined]

    def spy(self: Any, batches: Any, count: int, seed: int) -> None:
        shown.extend(image.permute(1, 2, 0).numpy() for batch in batches() for image in batch)
        assert count == len(shown)
        learn(self, batches, count, seed)

    monkeypatch.setattr(type(fit(tmp_path, method).engine.model), "learn", spy)  # type: ignore[attr-defined]
    detector = fit(tmp_path, method, count=12, run=run)
    dataset = texture_dataset(tmp_path / "images", 12)
    images, _, _ = load_frames(dataset.train, detector.frame)
    rows, hold_out = split_indices(12, 0.3, 0)
    assert len(hold_out) == 3
    assert np.array_equal(np.stack(shown), images[rows])
    expected = sorted(detector.engine(images[hold_out])[0].tolist())
    assert detector.calibration.scores.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_two_images_are_enough(method: str, tmp_path: Path) -> None:
    detector = fit(tmp_path, method, count=2)
    assert detector.predict(textures(1, seed=4)[0]).score > 0


def test_what_belongs_to_training_is_refused(tmp_path: Path) -> None:
    for run, words in (
        (config("patchcore", training__epochs=3), "patchcore fits in one pass; leave out --epochs"),
        (config("padim", training__batch_size=8), r"padim .* leave out training\.batch_size"),
        (config("spade", training__precision="bf16"), r"spade .* leave out training\.precision"),
    ):
        with pytest.raises(ConfigError, match=words):
            fit(tmp_path, run.method, run=run)
    (tmp_path / "model.checkpoint").touch()
    with pytest.raises(ConfigError, match="padim fits in one pass and leaves nothing to resume"):
        fit(tmp_path, "padim", resume=True)
    assert not (tmp_path / "model.safetensors").exists()


def test_several_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="spade fits in one pass in one process; start it without"):
        fit(tmp_path, "spade")


def test_the_log_of_a_model_that_is_replaced_goes_with_it(tmp_path: Path) -> None:
    log = tmp_path / "model.log.jsonl"
    log.write_text("{}\n")
    fit(tmp_path, "padim")
    assert not log.exists()


def test_ctrl_c_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Any, batches: Any, count: int, seed: int) -> None:
        next(batches())
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(PatchCore, "learn", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with pytest.raises(Interrupted, match="nothing was written"):
            fit(tmp_path, "patchcore")
    finally:
        signal.signal(signal.SIGINT, before)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.mark.parametrize("damage", ["missing", "scalar", "empty", "shape"])
def test_learned_tensors_that_cannot_be_are_refused(damage: str, copy: Path) -> None:
    metadata = read_metadata(copy)
    for name in LEARNED[metadata.method]:
        tensors = load_file(copy)
        if damage == "missing":
            del tensors[name]
        if damage == "scalar":
            tensors[name] = torch.tensor(1.0)
        if damage == "empty":
            tensors[name] = tensors[name][:0].clone()
        if damage == "shape":
            tensors[name] = torch.cat([tensors[name]] * 2, dim=-1)
        spoilt = copy.with_name(f"{name}.safetensors")
        write_model(spoilt, tensors, metadata)
        with pytest.raises(ModelFileError, match="do not fit its description"):
            Detector.load(spoilt)


def test_more_than_the_config_allows_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(tmp_path, "patchcore")
    file = tmp_path / "model.safetensors"
    metadata, tensors = read_metadata(file), load_file(file)
    few = metadata.model_copy(update={"config": metadata.config | {"memory": len(tensors["memory"]) - 1}})
    write_model(file, tensors, few)
    monkeypatch.setattr("blemish.inference.engines.torch.load_file", lambda path: pytest.fail("it was read"))
    with pytest.raises(ModelFileError, match="do not fit its description"):
        Detector.load(file)


def test_numbers_of_channels_out_of_range_are_refused(tmp_path: Path) -> None:
    fit(tmp_path, "padim")
    file = tmp_path / "model.safetensors"
    text = {"blemish": read_metadata(file).model_dump_json()}
    tensors: dict[str, Tensor] = load_file(file)
    save_file(tensors | {"drawn": tensors["drawn"] + 10_000}, file, text)
    with pytest.raises(ModelFileError, match="do not fit its description"):
        Detector.load(file)


@pytest.mark.parametrize("method", METHODS)
def test_a_user_fits_measures_exports_and_predicts(method: str, parts_folder: Path, tmp_path: Path) -> None:
    small = ("--set", "frame.resize=64", "--set", "frame.crop=64")
    result = blemish("fit", parts_folder, "--method", method, "--out", "m.safetensors", *small, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Wrote m.safetensors: ") and result.stdout.endswith("s of fitting.\n")
    measured = blemish(
        "evaluate", "m.safetensors", parts_folder, "--json", "--report", "r.html", cwd=tmp_path
    )
    assert measured.returncode == 0, measured.stderr
    assert 0 <= json.loads(measured.stdout)["image"]["auroc"] <= 1
    assert "epoch" not in (tmp_path / "r.html").read_text(encoding="utf-8").split("</style>")[1]
    described = blemish("info", "m.safetensors", cwd=tmp_path).stdout
    assert "training: summary: seconds" in described and "epoch" not in described
    assert blemish("export", "m.safetensors", "m.onnx", cwd=tmp_path).returncode == 0
    rows = [
        list(
            csv.DictReader(blemish("predict", file, parts_folder / "test", cwd=tmp_path).stdout.splitlines())
        )
        for file in ("m.safetensors", "m.onnx")
    ]
    assert len(rows[0]) == len(rows[1]) == 10
    for one, other in zip(*rows, strict=True):
        assert float(other["score"]) == pytest.approx(float(one["score"]), rel=1e-3)


def test_refusals_as_typed(parts_folder: Path, tmp_path: Path) -> None:
    command = ("fit", parts_folder, "--method", "padim", "--out", "m.safetensors")
    assert "padim fits in one pass; leave out --epochs." in sentence(
        blemish(*command, "--epochs", "3", cwd=tmp_path)
    )
    assert "leave out --resume." in sentence(blemish(*command, "--resume", cwd=tmp_path))
    assert not list(tmp_path.iterdir())
    assert "patchcore, padim, spade" in " ".join(blemish("fit", "--help").stdout.replace("│", " ").split())
