"""A fitted model judging images."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import blemish
from blemish.errors import ConfigError, ImageError
from blemish.images.reading import read_image, to_frame
from blemish.inference.detector import Detector
from tests.support import BACKBONE, textures


def test_one_file_many_files_arrays_and_the_engine_agree(detector: Detector, files: list[Path]) -> None:
    many = list(detector.predict_many(files, batch_size=3))
    scores, maps = detector.engine(np.stack([to_frame(read_image(f), detector.frame).pixels for f in files]))
    assert [result.path for result in many] == [str(file) for file in files]
    assert len(set(scores.tolist())) == len(files)
    for file, result, score, anomaly_map in zip(files, many, scores, maps, strict=True):
        for other in (detector.predict(file), detector.predict(read_image(file))):
            assert other.score == pytest.approx(result.score, rel=1e-4)
            assert other.p_value == result.p_value
        assert result.score == pytest.approx(float(score), rel=1e-4)
        assert result.anomaly_map is not None
        np.testing.assert_allclose(result.anomaly_map, anomaly_map, rtol=1e-4, atol=1e-12)


def test_a_result_carries_the_verdict_at_the_rate_in_force_and_the_framed_picture(
    detector: Detector, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = detector.predict(str(files[0]))
    assert result.score is not None and result.anomaly_map is not None and result.image is not None
    assert (result.p_value, result.is_anomalous) == detector.calibration.judge(result.score)
    assert result.score == result.anomaly_map.max()
    assert np.array_equal(result.image, read_image(files[0]))
    wide = detector.predict(np.tile(read_image(files[0]), (2, 3, 1)))
    assert wide.path == "" and wide.image is not None and wide.image.shape == (64, 64, 3)
    monkeypatch.setattr(detector, "calibration", detector.calibration.with_rate(0.999))
    changed = detector.predict(files[0])
    assert (changed.score, changed.p_value, changed.is_anomalous) == (result.score, result.p_value, True)


def test_what_cannot_be_judged_is_refused(detector: Detector, files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        detector.predict(tmp_path / "none.png")
    assert list(detector.predict_many([])) == []
    for batch_size in (0, -1):
        with pytest.raises(ConfigError, match=f"at least 1, not {batch_size}; leave it out"):
            next(detector.predict_many(files, batch_size=batch_size))


def test_a_score_that_is_none_is_an_error(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full(len(images), np.nan, np.float32), np.zeros(images.shape[:3], np.float32)

    monkeypatch.setattr(detector, "engine", nothing)
    result = detector.predict(textures(1)[0])
    assert result.score is None and result.error == "The image has no score: the model gave nan."


def test_the_engine_is_called_once_at_a_time(
    detector: Detector, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    original, busy = detector.engine, threading.Lock()

    def single(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert busy.acquire(blocking=False), "called twice at once"
        time.sleep(0.01)
        try:
            return original(images)
        finally:
            busy.release()

    monkeypatch.setattr(detector, "engine", single)
    runs = (detector.predict_many(files, batch_size=1) for _ in range(2))
    for one, other in zip(*runs, strict=True):
        assert one.score == other.score == detector.predict(one.path).score


SIDE, TILE = 192, 64


def part(number: int, *, defective: bool) -> Image.Image:
    """Soft waves, and a patch of bright and dark pixels in turn that vanishes when the image is shrunk."""
    rng = np.random.default_rng(number)
    image = 128 + 30 * np.sin((np.mgrid[:SIDE, :SIDE].sum(axis=0) + rng.integers(60)) / 20)
    image += rng.normal(0, 3, (SIDE, SIDE))
    if defective:
        y, x = np.mgrid[100:116, 140:156]
        image[100:116, 140:156] += 60 * (-1.0) ** (y + x)
    return Image.fromarray(image.clip(0, 255).astype(np.uint8))


def test_a_defect_lost_at_the_scale_of_the_image_is_found_in_its_tile(tmp_path: Path) -> None:
    for kind, numbers in (("train/good", range(6)), ("test/good", range(6, 9)), ("test/fine", range(9, 12))):
        (tmp_path / kind).mkdir(parents=True)
        for number in numbers:
            part(number, defective=kind == "test/fine").save(tmp_path / kind / f"{number}.png")
    model = {"method": "patchcore", "backbone": BACKBONE, "weights": "random"}
    whole = blemish.fit(tmp_path, assignments=[f"frame.resize={TILE}", "frame.crop=none"], **model)
    tiled = blemish.fit(tmp_path, tile=TILE, **model)
    assert blemish.evaluate(tiled, tmp_path).image["auroc"] == 1
    assert blemish.evaluate(whole, tmp_path).image["auroc"] < 1
    for path in (tmp_path / "test/fine").iterdir():
        anomaly_map = tiled.predict(path).anomaly_map
        assert anomaly_map is not None and anomaly_map.shape == (SIDE, SIDE)
        row, column = np.unravel_index(anomaly_map.argmax(), anomaly_map.shape)
        assert abs(row - 108) < 24 and abs(column - 148) < 24
