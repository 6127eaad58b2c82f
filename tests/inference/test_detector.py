"""A fitted model judging images."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.errors import ConfigError, ImageError
from blemish.images.reading import read_image, to_frame
from blemish.inference.detector import Detector
from tests.support import textures


def test_one_file_many_files_arrays_and_the_engine_agree(detector: Detector, files: list[Path]) -> None:
    many = list(detector.predict_many(files, batch_size=3))
    scores, maps = detector.engine(np.stack([to_frame(read_image(f), detector.frame) for f in files]))
    assert [result.path for result in many] == [str(file) for file in files]
    assert len(set(scores.tolist())) == len(files)
    for file, result, score, anomaly_map in zip(files, many, scores, maps, strict=True):
        for other in (detector.predict(file), detector.predict(read_image(file))):
            assert other.score == pytest.approx(result.score, rel=1e-4)
            assert other.p_value == result.p_value
        assert result.score == pytest.approx(float(score), rel=1e-4)
        assert result.anomaly_map is not None
        np.testing.assert_allclose(result.anomaly_map, anomaly_map, rtol=1e-4, atol=1e-12)


def test_a_result_carries_the_verdict_and_the_framed_picture(detector: Detector, files: list[Path]) -> None:
    result = detector.predict(str(files[0]))
    assert result.score is not None and result.anomaly_map is not None and result.image is not None
    assert result.p_value == detector.calibration.p_value(result.score)
    assert result.is_anomalous == detector.calibration.is_anomalous(result.score)
    assert result.score == result.anomaly_map.max()
    assert np.array_equal(result.image, read_image(files[0]))
    wide = detector.predict(np.tile(read_image(files[0]), (2, 3, 1)))
    assert wide.path == "" and wide.image is not None and wide.image.shape == (64, 64, 3)


def test_bad_files_in_between_keep_their_place(detector: Detector, files: list[Path], tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.png", tmp_path / "missing.png"
    broken.write_bytes(b"no image")
    given = [broken, files[0], missing, files[1], files[2], broken]
    results = list(detector.predict_many(given, batch_size=2))
    assert [result.path for result in results] == [str(path) for path in given]
    assert [bool(result.error) for result in results] == [True, False, True, False, False, True]
    assert "missing.png does not exist" in results[2].error
    assert results[0].score is None and results[0].anomaly_map is None
    assert results[3].score == pytest.approx(detector.predict(files[1]).score, rel=1e-4)


def test_one_bad_image_raises(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        detector.predict(tmp_path / "none.png")
    for wrong in (
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
    ):
        with pytest.raises(ImageError, match="image array"):
            detector.predict(wrong)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batches_are_of_one_image_at_least(detector: Detector, files: list[Path], batch_size: int) -> None:
    assert list(detector.predict_many([])) == []
    with pytest.raises(ConfigError, match=f"at least 1, not {batch_size}; leave it out"):
        next(detector.predict_many(files, batch_size=batch_size))


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
    both = zip(
        detector.predict_many(files, batch_size=1), detector.predict_many(files, batch_size=1), strict=True
    )
    for one, other in both:
        assert one.score == other.score == detector.predict(one.path).score


def test_files_are_taken_as_they_are_needed(detector: Detector, files: list[Path]) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield files[taken % len(files)]

    results = detector.predict_many(endless(), batch_size=4)
    assert taken == 0
    for number in range(1, 30):
        assert next(results).path == str(files[number % len(files)])
        assert taken <= number + 3 * 4 + (os.cpu_count() or 1)
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("blemish-")]


def test_a_model_that_fails_is_an_error_and_no_result(
    detector: Detector, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(images: np.ndarray) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(detector, "engine", fails)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(detector.predict_many(files))


def test_another_false_alarm_rate_changes_the_verdict_and_not_the_score(
    detector: Detector, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = detector.predict(files[0])
    monkeypatch.setattr(detector, "calibration", detector.calibration.with_rate(0.999))
    changed = detector.predict(files[0])
    assert changed.score == original.score and changed.p_value == original.p_value
    assert changed.is_anomalous is True


def test_grey_files_are_judged_like_their_rgb_twins(detector: Detector, tmp_path: Path) -> None:
    grey = Image.fromarray(textures(1)[0]).convert("L")
    grey.save(tmp_path / "grey.png")
    grey.convert("RGB").save(tmp_path / "rgb.png")
    one, other = detector.predict_many([tmp_path / "grey.png", tmp_path / "rgb.png"])
    assert one.score == pytest.approx(other.score, rel=1e-5)
