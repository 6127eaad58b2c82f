"""A detector saves, exports and measures itself."""

import pickle
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

import blemish
from blemish.errors import BlemishError, ModelFileError
from blemish.inference.rules import Rules, beside, write_rules


@pytest.fixture(scope="module")
def exported(detector: blemish.Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its .onnx file."""
    path = tmp_path_factory.mktemp("exported") / "parts.onnx"
    assert str(detector.export(path)).startswith("engine")
    return path


@pytest.mark.slow
def test_what_is_saved_judges_alike_and_brings_its_rules(
    detector: blemish.Detector, exported: Path, parts_folder: Path, tmp_path: Path
) -> None:
    picture = parts_folder / "test/hole/000.png"
    for model in (detector, blemish.load(exported)):
        assert model.path is not None
        source = Path(shutil.copy(model.path, tmp_path / f"source{model.path.suffix}"))
        write_rules(Rules(defective=0.7), beside(source))
        copy = tmp_path / f"copy{model.path.suffix}"
        loaded = blemish.load(source)
        loaded.save(copy)
        loaded.save(source)
        assert blemish.load(copy).predict(picture).score == loaded.predict(picture).score
        assert blemish.load(copy).rules is not None and blemish.load(copy).false_alarm_rate == 0.7


@pytest.mark.slow
@pytest.mark.skipif(find_spec("openvino") is None, reason="the extra openvino is not installed")
def test_a_pair_is_saved_as_a_pair(detector: blemish.Detector, parts_folder: Path, tmp_path: Path) -> None:
    detector.export(tmp_path / "one.xml")
    blemish.load(tmp_path / "one.xml").save(tmp_path / "two.xml")
    assert (tmp_path / "two.bin").read_bytes() == (tmp_path / "one.bin").read_bytes()
    assert blemish.load(tmp_path / "two.xml").predict(parts_folder / "test/good/000.png").score
    (tmp_path / "three.bin").write_text("of another model")
    with pytest.raises(BlemishError, match=r"three\.bin would be overwritten"):
        blemish.load(tmp_path / "one.xml").save(tmp_path / "three.xml")
    assert (tmp_path / "three.bin").read_text() == "of another model"


def test_a_rate_that_the_file_does_not_keep_is_told(
    detector: blemish.Detector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert detector.path is not None
    blemish.load(detector.path, false_alarm_rate=0.7).save(tmp_path / "a.safetensors")
    (told,) = caplog.messages
    assert "fitted with, 0.6; load it with false_alarm_rate=0.7" in told
    detector.save(tmp_path / "a.safetensors")
    assert len(caplog.messages) == 1


def test_rules_that_do_not_come_along_are_told(
    detector: blemish.Detector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert detector.path is not None
    loaded = blemish.load(detector.path, rules=Rules(defective=0.7))
    loaded.save(tmp_path / "a.safetensors")
    (told,) = caplog.messages
    assert told.endswith("if any, not those in force here.")


@pytest.mark.slow
def test_what_cannot_be_saved_or_exported_is_refused(
    detector: blemish.Detector, exported: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match=r"\.safetensors file; name a file that ends so, or export to"):
        detector.save(tmp_path / "a.onnx")
    loaded = blemish.load(exported)
    with pytest.raises(ModelFileError, match=r"\.onnx file; name a file that ends so\.$"):
        loaded.save(tmp_path / "a.safetensors")
    with pytest.raises(BlemishError, match="there is no folder"):
        detector.save(tmp_path / "none" / "a.safetensors")
    with pytest.raises(ModelFileError, match=r"only those can be exported"):
        loaded.export(tmp_path / "b.onnx")
    assert detector.path is not None
    moved = Path(shutil.copy(detector.path, tmp_path / "moved.safetensors"))
    gone = blemish.load(moved)
    moved.unlink()
    with pytest.raises(ModelFileError, match="There is no model file"):
        gone.save(tmp_path / "a.safetensors")


def test_a_pickle_is_the_same_detector(detector: blemish.Detector, tmp_path: Path) -> None:
    copy = pickle.loads(pickle.dumps(detector))
    copy.save(tmp_path / "a.safetensors")
    assert type(copy) is blemish.Detector and (tmp_path / "a.safetensors").is_file()


def test_it_measures_itself_and_the_evaluation_writes_the_page(
    detector: blemish.Detector, parts_folder: Path, tmp_path: Path
) -> None:
    evaluation = detector.evaluate(parts_folder)
    assert detector.evaluate(good=parts_folder / "test/good", bad=parts_folder / "test/hole").detected
    assert evaluation.image == blemish.evaluate(detector, parts_folder).image
    assert repr(evaluation).startswith("<Evaluation on parts: image AUROC ")
    assert str(evaluation).startswith("Image AUROC") and "detector" not in evaluation.to_dict()
    assert evaluation._repr_html_().startswith("<pre>Image AUROC")
    evaluation.report(tmp_path / "page.html")
    assert "</html>" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_images_of_every_kind_one_or_many(detector: blemish.Detector, parts_folder: Path) -> None:
    folder = parts_folder / "test/hole"
    files = sorted(folder.iterdir())
    expected = [detector.predict(file).score for file in files]
    pictures = [file.read_bytes() for file in files]
    for several in (files, tuple(map(str, files)), pictures, folder, str(folder), f"{folder}/*.png"):
        results = detector.predict(several)
        assert [result.score for result in results] == pytest.approx(expected, rel=1e-4)
        assert [one.score for one in detector.predict_many(several)] == pytest.approx(expected, rel=1e-4)
    assert detector.predict(pictures[0]).score == pytest.approx(expected[0], rel=1e-4)
    assert [one.score for one in detector.predict_many(pictures[0])] == pytest.approx(expected[:1], rel=1e-4)
    good, bad = detector.predict([files[0], b"no image"])
    assert (
        good.score
        and bad.error == "The image is not a PNG, JPEG, BMP, TIFF or WebP image; convert it to one."
    )
    with pytest.raises(BlemishError, match="int is no kind of image"):
        detector.predict([3])
    with pytest.raises(BlemishError, match=r"No file matches .*none\*"):
        detector.predict(f"{folder}/none*")
