"""Methods that redraw images: reconstructions, Grad-CAM, and what BatchNorm's statistics do to scores."""

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
from blemish.inference.outputs import predict_to_files
from blemish.reports import write_report
from blemish.reports.text import summary
from tests.support import small_fit, texture_dataset, texture_files

SIZE = 32
BATCH = 4


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GAN of one epoch."""
    folder = tmp_path_factory.mktemp("gan")
    out = folder / "gan.safetensors"
    assignments = [f"frame.resize={SIZE}", f"training.batch_size={BATCH}", "training.validation_share=0.3"]
    data = texture_dataset(folder / "images", 10)
    blemish.fit(data, out=out, method="sagan", epochs=1, assignments=assignments, false_alarm_rate=0.3)
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
    return small_fit(tmp_path_factory.mktemp("gtrans"), training__epochs=1)[1]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return texture_files(tmp_path_factory.mktemp("new"), 9, seed=4)


@pytest.fixture(scope="module")
def data(files: list[Path]) -> Dataset:
    """Six good images, then three called defective."""
    return Dataset("textures", test=[Sample(path, int(n > 5), "odd") for n, path in enumerate(files)])


def scores(detector: Detector, files: list[Path], batch_size: int | None = None) -> dict[Path, float]:
    results = detector.predict_many(files, batch_size=batch_size)
    return {file: result.score or 0.0 for file, result in zip(files, results, strict=True)}


class TestResults:
    def test_they_carry_both_pictures_where_asked_for(self, detector: Detector, files: list[Path]) -> None:
        assert detector.can_explain
        plain = list(detector.predict_many(files))
        explained = list(detector.predict_many(files, batch_size=BATCH, explain=True))
        images = np.stack([load_frame(file, detector.frame) for file in files])
        pictures = detector.engine.explain(images)
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

    def test_bad_files_in_between_have_none(
        self, detector: Detector, files: list[Path], tmp_path: Path
    ) -> None:
        missing = tmp_path / "missing.png"
        results = list(detector.predict_many([missing, files[0], missing, files[1]], explain=True))
        assert [result.reconstruction is None for result in results] == [True, False, True, False]

    def test_they_are_made_batch_by_batch(
        self, detector: Detector, files: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[int] = []
        explain = detector.engine.explain
        monkeypatch.setattr(
            detector.engine, "explain", lambda images: (seen.append(len(images)), explain(images))[1]
        )
        list(detector.predict_many(files, batch_size=BATCH, explain=True))
        assert sum(seen) == len(files) and max(seen) <= BATCH

    @pytest.mark.parametrize("which", ["gtrans", "exported"])
    def test_other_models_explain_nothing(
        self, which: str, files: list[Path], request: pytest.FixtureRequest
    ) -> None:
        other = blemish.load(request.getfixturevalue(which))
        assert not other.can_explain
        (result,) = other.predict_many(files[:1], explain=True)
        assert result.score is not None and result.reconstruction is None


class TestFiles:
    def test_four_panels_for_each_image(self, detector: Detector, files: list[Path], tmp_path: Path) -> None:
        names = list(map(str, [*files[:3], tmp_path / "gone.png"]))
        counts = predict_to_files(detector, names, batch_size=2, explain=tmp_path / "seen")
        assert counts["images"] == 4 and counts["errors"] == 1
        made = sorted((tmp_path / "seen").rglob("*"))
        made = [path for path in made if path.is_file()]
        assert [path.name for path in made] == [f"{file.name}.explain.png" for file in files[:3]]
        for path, file in zip(made, files, strict=False):
            sheet = np.asarray(Image.open(path))
            assert sheet.shape == (22 + 192 + 8, 4 * (192 + 8) + 8, 3)
            assert (sheet[22:214:6, 8:200:6] == load_frame(file, detector.frame)).all()

    @pytest.mark.parametrize(("which", "method"), [("gtrans", "gtrans"), ("exported", "sagan")])
    def test_refused_for_other_models(
        self, which: str, method: str, files: list[Path], tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        other = blemish.load(request.getfixturevalue(which))
        scored: list[int] = []
        outputs = {"explain": tmp_path / "seen", "csv_file": tmp_path / "rows.csv"}
        with pytest.raises(BlemishError, match=rf"^This {method} model gives no explanations: --explain"):
            predict_to_files(
                other, map(str, files), batch_size=4, advance=lambda: scored.append(1), **outputs
            )
        assert scored == [] and list(tmp_path.iterdir()) == []


class TestReport:
    def test_each_card_shows_four_pictures(self, detector: Detector, data: Dataset, tmp_path: Path) -> None:
        write_report(blemish.evaluate(detector, data), detector, tmp_path / "page.html")
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        cards = page.count("<article")
        assert cards >= 9
        assert page.count("<img") == 1 + 4 * cards
        assert "what it redraws badly is anomalous" in page
        assert "not the threshold of the score" in page

    def test_an_exported_model_leaves_them_out(self, exported: Path, data: Dataset, tmp_path: Path) -> None:
        detector = blemish.load(exported)
        write_report(blemish.evaluate(detector, data), detector, tmp_path / "page.html")
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert page.count("<img") == 1 + 2 * page.count("<article")
        assert "redraws" not in page and "Grad" not in page
        assert "not the threshold of the score" in page, "its scores are no peaks either"


class TestBatchNormAtTest:
    @pytest.mark.parametrize("at_test", [None, "eval", "instance"])
    def test_an_image_scores_the_same_in_any_company(
        self, model: Path, files: list[Path], at_test: str | None
    ) -> None:
        detector = blemish.load(model, batchnorm_at_test=at_test)
        expected = scores(detector, files)
        for order, batch_size in ((files[::-1], BATCH), (files, 1)):
            assert scores(detector, order, batch_size) == pytest.approx(expected, rel=1e-4)

    def test_with_batch_statistics_order_and_batch_change_the_scores(
        self, model: Path, files: list[Path]
    ) -> None:
        detector = blemish.load(model, batchnorm_at_test="batch")
        expected = scores(detector, files)
        assert scores(detector, files, BATCH) == expected
        for order, batch_size in ((files[::-1], BATCH), (files, 3)):
            assert scores(detector, order, batch_size) != pytest.approx(expected, rel=1e-3)

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
        with pytest.raises(ConfigError, match="one of eval, instance, batch, not 'train'"):
            blemish.load(model, batchnorm_at_test="train")
        with pytest.raises(ConfigError, match="one of eval, instance, batch, not ''"):
            blemish.load(exported, batchnorm_at_test="")
        for at_test in WARNINGS:
            with pytest.raises(
                ConfigError, match=r"^gtrans has no BatchNorm .* leave out --batchnorm-at-test"
            ):
                blemish.load(gtrans, batchnorm_at_test=at_test)
            with pytest.raises(ConfigError, match=r"built in; leave out --batchnorm-at-test"):
                blemish.load(exported, batchnorm_at_test=at_test)
        with pytest.raises(ConfigError, match=r"not with a Detector; give it to blemish\.load"):
            blemish.evaluate(detector, data, batchnorm_at_test="batch")
