"""A fitted GAN in use: its reconstructions and Grad-CAM, and what BatchNorm's statistics do to its scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import blemish
from blemish.datasets import Dataset, Sample
from blemish.errors import BlemishError, ConfigError
from blemish.export import export_model
from blemish.images.reading import load_frame
from blemish.inference.batchnorm import WARNINGS
from blemish.inference.outputs import Outputs, predict_to_files
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.models.support import SIZE
from tests.support import small_fit, texture_dataset, texture_files

BATCH = 4

pytestmark = pytest.mark.slow  # exports


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A GAN, the same exported, and a model that redraws nothing."""
    folder = tmp_path_factory.mktemp("models")
    training = {"epochs": 1, "batch_size": BATCH, "validation_share": 0.3}
    values = {"method": "sagan", "frame": {"resize": SIZE}, "training": training, "false_alarm_rate": 0.3}
    gan, exported = folder / "gan.safetensors", folder / "gan.onnx"
    fit(texture_dataset(folder / "images", 10), build_config(values=values), gan)
    export_model(gan, exported)
    return {"gan": gan, "exported": exported, "gtrans": small_fit(folder, training={"epochs": 1})[1]}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return texture_files(tmp_path_factory.mktemp("new"), 9, seed=4)


@pytest.fixture(scope="module")
def data(files: list[Path]) -> Dataset:
    """Six good images, then three called defective."""
    return Dataset("textures", test=[Sample(path, int(n > 5), "odd") for n, path in enumerate(files)])


def test_results_carry_reconstruction_and_attention_where_asked_for(
    models: dict[str, Path], files: list[Path], tmp_path: Path
) -> None:
    detector = blemish.load(models["gan"])
    assert detector.can_explain
    explain, batches = detector.engine.explain, []
    detector.engine.explain = lambda images: (batches.append(len(images)), explain(images))[1]
    plain = list(detector.predict_many(files))
    given = [*files[:2], tmp_path / "missing.png", *files[2:]]
    explained: list[Any] = list(detector.predict_many(given, batch_size=BATCH, explain=True))
    assert sum(batches) == len(files) and max(batches) <= BATCH
    assert explained.pop(2).reconstruction is None
    pictures = explain(np.stack([load_frame(file, detector.frame) for file in files]))
    assert pictures is not None
    for before, result, redrawn, attention in zip(plain, explained, *pictures, strict=True):
        assert before.reconstruction is None and before.attention is None
        assert result.score == pytest.approx(before.score, rel=1e-4)
        assert (result.reconstruction.shape, result.reconstruction.dtype) == ((SIZE, SIZE, 3), np.uint8)
        assert (result.attention.shape, result.attention.dtype) == ((SIZE, SIZE), np.float32)
        assert 0 <= result.attention.min() <= result.attention.max() <= 1
        assert np.abs(result.reconstruction.astype(int) - redrawn).max() <= 1
        np.testing.assert_allclose(result.attention, attention, atol=0.05)


@pytest.mark.parametrize(("which", "method"), [("gtrans", "gtrans"), ("exported", "sagan")])
def test_other_models_have_none(
    which: str, method: str, models: dict[str, Path], files: list[Path], tmp_path: Path
) -> None:
    other = blemish.load(models[which])
    assert not other.can_explain
    (result,) = other.predict_many(files[:1], explain=True)
    assert result.score is not None and result.reconstruction is None
    outputs = Outputs(explain=tmp_path / "seen", csv=tmp_path / "rows.csv")
    with pytest.raises(BlemishError, match=rf"^This {method} model gives no explanations: --explain"):
        predict_to_files(other, map(str, files), outputs, batch_size=4)
    assert list(tmp_path.iterdir()) == []


def test_other_statistics_take_the_batches_of_training_and_come_with_a_warning(
    models: dict[str, Path], data: Dataset, files: list[Path]
) -> None:
    plain = blemish.evaluate(models["gan"], data)
    same, alone = (
        blemish.evaluate(models["gan"], data, batchnorm_at_test=one) for one in ("eval", "instance")
    )
    assert plain.warning == same.warning == "" and same.images == plain.images
    assert alone.warning == WARNINGS["instance"] and alone.images != plain.images

    detector = blemish.load(models["gan"], batchnorm_at_test="batch")
    engine, seen = detector.engine, []
    detector.engine = lambda images: (seen.append(images), engine(images))[1]  # type: ignore[assignment]
    evaluation = blemish.evaluate(detector, data)
    assert evaluation.warning == WARNINGS["batch"]
    assert [len(images) for images in seen] == [4, 4, 1]
    framed = np.stack([load_frame(file, detector.frame) for file in files])
    assert (np.concatenate(seen) == framed).all()
    direct = np.concatenate([engine(framed[start : start + BATCH])[0] for start in (0, 4, 8)])
    assert [row["score"] for row in evaluation.images] == direct.tolist()


def test_wrong_uses_are_refused(models: dict[str, Path], data: Dataset) -> None:
    for which, at_test, words in (
        ("gan", "train", "one of eval, instance, batch, not 'train'"),
        ("exported", "", "one of eval, instance, batch, not ''"),
        *(("gtrans", one, r"^gtrans has no BatchNorm .* leave out --batchnorm-at-test") for one in WARNINGS),
        *(("exported", one, r"built in; leave out --batchnorm-at-test") for one in WARNINGS),
    ):
        with pytest.raises(ConfigError, match=words):
            blemish.load(models[which], batchnorm_at_test=at_test)
    with pytest.raises(ConfigError, match=r"not with a Detector; give it to blemish\.load"):
        blemish.evaluate(blemish.load(models["gan"]), data, batchnorm_at_test="batch")
