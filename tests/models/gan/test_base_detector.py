"""A fitted GAN in use: its reconstructions and Grad-CAM, and what BatchNorm's statistics do to its scores."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import blemish
from blemish.datasets import Dataset, Sample
from blemish.errors import BlemishError, ConfigError
from blemish.export import export_model
from blemish.images.reading import load_frame
from blemish.inference.detector import WARNINGS, Detector
from blemish.inference.outputs import Outputs, predict_to_files
from blemish.reports import write_report
from blemish.reports.text import summary
from blemish.training.config import build_config
from blemish.training.fit import fit
from tests.models.support import SIZE
from tests.support import small_fit, texture_dataset, texture_files

BATCH = 4

pytestmark = pytest.mark.slow  # exports


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gan")
    training = {"epochs": 1, "batch_size": BATCH, "validation_share": 0.3}
    values = {"method": "sagan", "frame": {"resize": SIZE}, "training": training, "false_alarm_rate": 0.3}
    out = folder / "gan.safetensors"
    fit(texture_dataset(folder / "images", 10), build_config(values=values), out)
    return out


@pytest.fixture(scope="module")
def detector(model: Path) -> Detector:
    return blemish.load(model)


@pytest.fixture(scope="module")
def exported(model: Path) -> Path:
    out = model.with_suffix(".onnx")
    export_model(model, out)
    return out


@pytest.fixture(scope="module")
def gtrans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_fit(tmp_path_factory.mktemp("gtrans"), training={"epochs": 1})[1]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return texture_files(tmp_path_factory.mktemp("new"), 9, seed=4)


@pytest.fixture(scope="module")
def data(files: list[Path]) -> Dataset:
    """Six good images, then three called defective."""
    return Dataset("textures", test=[Sample(path, int(n > 5), "odd") for n, path in enumerate(files)])


class TestExplanations:
    def test_results_carry_both_pictures_where_asked_for(
        self, detector: Detector, files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert detector.can_explain
        explain, batches = detector.engine.explain, []
        spy = lambda images: (batches.append(len(images)), explain(images))[1]  # noqa: E731
        monkeypatch.setattr(detector.engine, "explain", spy)
        plain = list(detector.predict_many(files))
        given = [*files[:2], tmp_path / "missing.png", *files[2:]]
        explained = list(detector.predict_many(given, batch_size=BATCH, explain=True))
        assert sum(batches) == len(files) and max(batches) <= BATCH
        assert explained.pop(2).reconstruction is None
        pictures = explain(np.stack([load_frame(file, detector.frame) for file in files]))
        assert pictures is not None
        for before, result, redrawn, attention in zip(plain, explained, *pictures, strict=True):
            assert before.reconstruction is None and before.attention is None
            assert result.score == pytest.approx(before.score, rel=1e-4)
            assert result.reconstruction is not None and result.attention is not None
            assert (result.reconstruction.shape, result.reconstruction.dtype) == ((SIZE, SIZE, 3), np.uint8)
            assert (result.attention.shape, result.attention.dtype) == ((SIZE, SIZE), np.float32)
            assert 0 <= result.attention.min() <= result.attention.max() <= 1
            assert np.abs(result.reconstruction.astype(int) - redrawn).max() <= 1
            np.testing.assert_allclose(result.attention, attention, atol=0.05)

    def test_files_show_four_panels(self, detector: Detector, files: list[Path], tmp_path: Path) -> None:
        names = list(map(str, [*files[:3], tmp_path / "gone.png"]))
        counts = predict_to_files(detector, names, Outputs(explain=tmp_path / "seen"), batch_size=2)
        assert counts["images"] == 4 and counts["errors"] == 1
        made = sorted(path for path in (tmp_path / "seen").rglob("*") if path.is_file())
        assert [path.name for path in made] == [f"{file.name}.explain.png" for file in files[:3]]
        for path, file in zip(made, files, strict=False):
            sheet = np.asarray(Image.open(path))
            assert sheet.shape == (22 + 192 + 8, 4 * (192 + 8) + 8, 3)
            assert (sheet[22:214:6, 8:200:6] == load_frame(file, detector.frame)).all()

    @pytest.mark.parametrize(("which", "method"), [("gtrans", "gtrans"), ("exported", "sagan")])
    def test_other_models_have_none(
        self, which: str, method: str, files: list[Path], tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        other = blemish.load(request.getfixturevalue(which))
        assert not other.can_explain
        (result,) = other.predict_many(files[:1], explain=True)
        assert result.score is not None and result.reconstruction is None
        outputs = Outputs(explain=tmp_path / "seen", csv=tmp_path / "rows.csv")
        with pytest.raises(BlemishError, match=rf"^This {method} model gives no explanations: --explain"):
            predict_to_files(other, map(str, files), outputs, batch_size=4)
        assert list(tmp_path.iterdir()) == []

    def test_a_page_shows_four_pictures_of_each_image_and_two_of_an_exported_model(
        self, detector: Detector, exported: Path, data: Dataset, tmp_path: Path
    ) -> None:
        pages = []
        for name, one in (("model", detector), ("exported", blemish.load(exported))):
            write_report(blemish.evaluate(one, data), one, tmp_path / f"{name}.html")
            pages.append((tmp_path / f"{name}.html").read_text(encoding="utf-8"))
        for page, pictures in zip(pages, (4, 2), strict=True):
            cards = page.count("<article")
            assert cards >= 9 and page.count("<img") == 1 + pictures * cards
            assert ("what it redraws badly is anomalous" in page) is (pictures == 4)
            assert ("Grad" in page) is (pictures == 4)
            assert "not the threshold of the score" in page, "its scores are no peaks"


class TestBatchNormAtTest:
    def test_batches_are_those_of_training_in_the_order_of_the_data(
        self, model: Path, data: Dataset, files: list[Path]
    ) -> None:
        detector = blemish.load(model, batchnorm_at_test="batch")
        engine, seen = detector.engine, []
        detector.engine = lambda images: (seen.append(images), engine(images))[1]  # type: ignore[assignment]
        evaluation = blemish.evaluate(detector, data)
        assert [len(images) for images in seen] == [4, 4, 1]
        framed = np.stack([load_frame(file, detector.frame) for file in files])
        assert (np.concatenate(seen) == framed).all()
        direct = np.concatenate([engine(framed[start : start + BATCH])[0] for start in (0, 4, 8)])
        assert [row["score"] for row in evaluation.images] == direct.tolist()

    @pytest.mark.parametrize("at_test", ["instance", "batch"])
    def test_the_warning_goes_with_the_numbers(
        self, model: Path, data: Dataset, at_test: str, tmp_path: Path
    ) -> None:
        detector = blemish.load(model, batchnorm_at_test=at_test)
        evaluation = blemish.evaluate(model, data, batchnorm_at_test=at_test)
        warning = WARNINGS[at_test]
        assert json.loads(json.dumps(evaluation.to_dict()))["warning"] == warning
        assert summary(evaluation).splitlines()[0] == f"WARNING: {warning}"
        write_report(evaluation, detector, tmp_path / "page.html")
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert page.index("</header>") < page.index(warning) < page.index("Image AUROC")

    def test_what_the_model_does_anyway_needs_no_warning(self, model: Path, data: Dataset) -> None:
        plain = blemish.evaluate(model, data)
        same = blemish.evaluate(model, data, batchnorm_at_test="eval")
        assert plain.warning == same.warning == ""
        assert same.images == plain.images
        assert not summary(same).startswith("WARNING")

    def test_wrong_uses_are_refused(
        self, model: Path, exported: Path, gtrans: Path, detector: Detector, data: Dataset
    ) -> None:
        wrong = [(model, "train", "one of eval, instance, batch, not 'train'")]
        wrong += [(exported, "", "one of eval, instance, batch, not ''")]
        for at_test in WARNINGS:
            wrong += [(gtrans, at_test, r"^gtrans has no BatchNorm .* leave out --batchnorm-at-test")]
            wrong += [(exported, at_test, r"built in; leave out --batchnorm-at-test")]
        for file, at_test, words in wrong:
            with pytest.raises(ConfigError, match=words):
                blemish.load(file, batchnorm_at_test=at_test)
        with pytest.raises(ConfigError, match=r"not with a Detector; give it to blemish\.load"):
            blemish.evaluate(detector, data, batchnorm_at_test="batch")
