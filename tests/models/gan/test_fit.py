"""Fitting the methods that reconstruct, from image files to a model file that scores."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import blemish
from blemish.datasets import Dataset, Sample, load_frames
from blemish.errors import BlemishError, ConfigError, Interrupted
from blemish.inference.detector import Detector
from blemish.inference.engines import read_metadata
from blemish.training import fit as fitting
from blemish.training import loop as training
from blemish.training.batches import split_indices
from blemish.training.config import build_config
from tests.support import log_lines, same_tensors, texture_files, textures

SIZE, COUNT, BATCH = 32, 10, 4
METHODS = ("anotrans", "ganomaly", "sagan", "skip_ganomaly")
SMALL = {"anotrans": ("model.channels=16", "model.heads=2")}
LOSSES = {"discriminator", "generator", "adversarial", "contextual", "latent", "spread", "cross_entropy"}

every_method = pytest.mark.parametrize("method", METHODS)


def fit(folder: Path, data: Dataset, method: str, *assignments: str, **options: Any) -> Detector:
    """A run of seconds; its model file is `folder`/model.safetensors."""
    small = (f"frame.resize={SIZE}", f"training.batch_size={BATCH}", "training.precision=fp32")
    return blemish.fit(
        data,
        out=folder / "model.safetensors",
        method=method,
        assignments=[*small, *SMALL.get(method, ()), *assignments],
        **({"epochs": 1} | options),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    paths = texture_files(tmp_path_factory.mktemp("images"), COUNT)
    return Dataset("textures", train=[Sample(path, label=0) for path in paths])


class Fitted(NamedTuple):
    method: str
    folder: Path
    detector: Detector
    said: list[str]

    @property
    def file(self) -> Path:
        return self.folder / "model.safetensors"


@pytest.fixture(scope="module", params=METHODS)
def fitted(request: pytest.FixtureRequest, data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp(request.param)
    said: list[str] = []
    detector = fit(folder, data, request.param, "training.validation_share=0.3", say=said.append)
    return Fitted(request.param, folder, detector, said)


def test_a_model_file_and_a_log_are_all_that_is_left(fitted: Fitted) -> None:
    assert sorted(path.name for path in fitted.folder.iterdir()) == ["model.log.jsonl", "model.safetensors"]
    assert fitted.said == ["10 good images: 7 to learn from, 3 held out."]


def test_a_reloaded_model_scores_bit_for_bit_the_same(fitted: Fitted) -> None:
    images = textures(5, seed=3, size=SIZE)
    loaded = blemish.load(fitted.file)
    for one, other in zip(fitted.detector.engine(images), loaded.engine(images), strict=True):
        assert np.isfinite(one).all() and (one == other).all()
    shown, again = (detector.engine.explain(images) for detector in (fitted.detector, loaded))
    assert shown is not None and again is not None
    assert all((one == other).all() for one, other in zip(shown, again, strict=True))
    assert loaded.metadata == fitted.detector.metadata


def test_the_file_says_what_it_is(fitted: Fitted, data: Dataset) -> None:
    metadata = read_metadata(fitted.file)
    assert (metadata.method, metadata.teacher) == (fitted.method, "")
    assert (metadata.frame.resize, metadata.frame.crop) == (SIZE, None)
    assert metadata.config == build_config(
        None, SMALL.get(fitted.method, ()), method=fitted.method
    ).model.model_dump(mode="json")
    assert metadata.training["adam_betas"] == [0.5, 0.999]
    summary = metadata.training["summary"]
    assert (summary["epochs"], summary["kept_epoch"]) == (1, 1)
    assert summary["validation_loss"] == log_lines(fitted.folder / "model.log.jsonl")[0]["validation_loss"]


def test_the_held_out_images_calibrate_and_colour(fitted: Fitted, data: Dataset) -> None:
    images, _, _ = load_frames(data.train, fitted.detector.frame)
    _, hold_out = split_indices(COUNT, 0.3, 0)
    scores, maps = fitted.detector.engine(images[hold_out])
    assert fitted.detector.calibration.scores.tolist() == pytest.approx(sorted(scores.tolist()), rel=1e-6)
    peaks = fitted.detector.metadata["map_peaks"]
    assert peaks == pytest.approx(maps.max(axis=(1, 2)).tolist(), rel=1e-6)
    assert len(peaks) == 3 and min(peaks) > 0


def test_the_log_has_a_line_for_each_batch_and_their_means_for_the_epoch(fitted: Fitted) -> None:
    lines = [json.loads(line) for line in (fitted.folder / "model.log.jsonl").read_text().splitlines()]
    *batches, epoch = lines
    assert [set(line) for line in batches] == [{"step", "losses"}] * 2  # 7 images in batches of 4
    assert [line["step"] for line in batches] == [1, 2] and (epoch["epoch"], epoch["step"]) == (1, 2)
    for line in lines:
        assert set(line["losses"]) == LOSSES and np.isfinite(list(line["losses"].values())).all()
    for name in LOSSES:
        mean = np.mean([line["losses"][name] for line in batches])
        assert epoch["losses"][name] == pytest.approx(mean, rel=1e-6)
    losses = batches[0]["losses"]
    total = losses["adversarial"] + 50 * losses["contextual"] + losses["latent"]
    assert losses["generator"] == pytest.approx(total, rel=1e-5)
    assert losses["discriminator"] >= losses["cross_entropy"] * (1 - 1e-6)


@every_method
@pytest.mark.parametrize("weights", ["random", "resnet34.safetensors"])
def test_weights_are_refused_before_any_work(
    weights: str, method: str, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "read_images", lambda *_, **__: pytest.fail("images were read"))
    with pytest.raises(BlemishError, match=f"^{method} has no pre-trained backbone; leave out --weights"):
        fit(tmp_path, data, method, weights=weights)
    assert not list(tmp_path.iterdir())


@every_method
def test_a_backbone_is_no_field_of_theirs(method: str, data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration field 'model\.backbone'"):
        fit(tmp_path, data, method, backbone="resnet34")


@pytest.mark.parametrize(
    ("method", "size", "sizes"),
    [
        (
            "anotrans",
            40,
            "anotrans with patch 2 and window 2 takes images of 32, 64, 96, .*, 256 pixels, not 40",
        ),
        ("ganomaly", 96, "ganomaly takes images of 32, 64, 128, ... pixels, not 96"),
        ("sagan", 40, "sagan takes images of a multiple of 16 pixels, not 40"),
        ("skip_ganomaly", 48, "skip_ganomaly takes images of 32, 64, 128, ... pixels, not 48"),
    ],
)
def test_a_frame_that_the_network_cannot_take_is_refused_with_those_it_can(
    method: str, size: int, sizes: str, data: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"^{sizes}; set frame\.resize\.$"):
        fit(tmp_path, data, method, f"frame.resize={size}")
    assert not list(tmp_path.iterdir())


def said_of(
    monkeypatch: pytest.MonkeyPatch, folder: Path, files: list[Path], method: str, *assignments: str
) -> list[str]:
    """What a fit says of its images; it is left before training."""
    said: list[str] = []
    monkeypatch.setattr(fitting, "_fit_images", lambda *_, **__: None)
    data = Dataset("textures", train=[Sample(path, label=0) for path in files])
    fit(folder, data, method, *assignments, say=said.append)
    return said


def test_images_smaller_than_the_frame_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = texture_files(tmp_path, 2)  # 64 x 64
    for size, enlarged in ((128, True), (64, False), (32, False)):
        said = said_of(monkeypatch, tmp_path, files, "anotrans", f"frame.resize={size}")
        sentence = "000.png is enlarged from 64 x 64 to 128 pixels; frame.resize=64 would cost less."
        assert said == [sentence] * enlarged


@every_method
@pytest.mark.parametrize(("height", "width"), [(40, 40), (90, 100), (50, 64)])
def test_the_frame_that_is_proposed_can_be_taken(
    height: int, width: int, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / f"{name}.png" for name in "ab"]
    for file in files:
        Image.fromarray(textures(1, size=128)[0, :height, :width]).save(file)
    (said,) = said_of(monkeypatch, tmp_path, files, method, "frame.resize=128")
    assert said.startswith(f"a.png is enlarged from {width} x {height} to 128 pixels; ")
    for proposed in re.findall(r"frame\.resize=\d+", said):
        build_config(None, [*SMALL.get(method, ()), proposed], method=method)


Optimisers = dict[str, torch.optim.Adam]


@pytest.fixture
def optimisers(monkeypatch: pytest.MonkeyPatch) -> list[Optimisers]:
    """Those of each run, as it left them."""
    runs: list[Optimisers] = []
    train_batch = training._train_batch

    def spy(model: Any, batch: Any, optimisers: Optimisers, *others: Any) -> Any:
        if not runs or runs[-1] is not optimisers:
            runs.append(optimisers)
        return train_batch(model, batch, optimisers, *others)

    monkeypatch.setattr(training, "_train_batch", spy)
    return runs


def same_states(one: Optimisers, other: Optimisers) -> bool:
    """Bit for bit."""
    for group in one.keys() | other.keys():
        states, others = (run[group].state_dict()["state"] for run in (one, other))
        if states.keys() != others.keys():
            return False
        if not all(same_tensors(state, others[index]) for index, state in states.items()):
            return False
    return True


class Stopping:
    """Instead of `Interruption`: Ctrl-C comes in some batch."""

    batches = 1

    def __enter__(self) -> "Stopping":
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    @property
    def asked(self) -> bool:
        self.batches -= 1
        return self.batches == 0


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("anotrans", ("model.skip=cbam",)),
        ("ganomaly", ("model.discriminator_floor=10",)),  # with a new discriminator in every batch
        ("sagan", ("model.d_steps=2",)),
    ],
)
def test_an_interrupted_fit_resumes_to_the_same_model_and_optimisers(
    method: str,
    fields: tuple[str, ...],
    data: Dataset,
    tmp_path: Path,
    optimisers: list[Optimisers],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    for folder in (whole, parted):
        folder.mkdir()
    fit(whole, data, method, *fields, epochs=2)
    with monkeypatch.context() as patch, pytest.raises(Interrupted, match=r"after epoch 0.5 of 2; .*resume"):
        patch.setattr(training, "Interruption", Stopping)  # after the first of 2 x 2 batches
        fit(parted, data, method, *fields, epochs=2)
    assert sorted(path.name for path in parted.iterdir()) == ["model.checkpoint", "model.log.jsonl.part"]
    fit(parted, data, method, *fields, epochs=2, resume=True)

    finished, interrupted, resumed = optimisers
    assert set(finished) == set(resumed) == {"discriminator", "generator"}
    assert same_states(finished, resumed)
    assert not same_states(finished, interrupted)
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, parted))
    assert same_tensors(one, other)
    assert log_lines(whole / "model.log.jsonl") == log_lines(parted / "model.log.jsonl")
    metadata = [read_metadata(folder / "model.safetensors") for folder in (whole, parted)]
    assert metadata[0].calibration == metadata[1].calibration
    assert metadata[0].map_peaks == metadata[1].map_peaks
    assert [path.name for path in parted.glob("*.checkpoint")] == []


def test_a_seed_decides_everything(data: Dataset, tmp_path: Path) -> None:
    weights = []
    for number, seed in enumerate((0, 0, 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        fit(folder, data, "anotrans", seed=seed)
        weights.append(load_file(folder / "model.safetensors"))
    assert same_tensors(weights[0], weights[1])
    assert not any(
        torch.equal(weights[0][name], weights[2][name]) for name in weights[0] if name.endswith("qkv.weight")
    )
