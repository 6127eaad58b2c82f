"""What `fit` gives has a file, its own or one for as long as it lives."""

import gc
import os
from pathlib import Path

import pytest

import blemish
from blemish.api.fitting import _remove
from tests.api.conftest import fit_parts


def test_without_a_file_the_model_is_kept_as_long_as_the_detector_lives(
    parts_folder: Path, tmp_path: Path
) -> None:
    detector = fit_parts(parts_folder)
    assert detector.path is not None and detector.path.is_file()
    folder, picture = detector.path.parent, parts_folder / "test/good/000.png"
    detector.save(tmp_path / "later.safetensors")
    assert (
        detector.predict(picture).score == blemish.load(tmp_path / "later.safetensors").predict(picture).score
    )
    del detector
    gc.collect()
    assert not folder.exists()


def test_no_forked_process_takes_the_model_away(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    for process, left in ((os.getpid() + 1, True), (os.getpid(), False)):
        _remove(str(tmp_path / "model"), process)
        assert (tmp_path / "model").exists() is left


def test_with_a_file_that_is_the_detectors(parts_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts.safetensors"
    assert fit_parts(parts_folder, out=out).path == out
    assert blemish.load(out).path == out


def test_nothing_is_left_of_a_fit_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(blemish.BlemishError, match="does not exist"):
        fit_parts(tmp_path / "none")
    assert not list(tmp_path.iterdir())


def test_a_rate_is_what_is_in_force(detector: blemish.Detector) -> None:
    assert (detector.method, detector.false_alarm_rate) == ("patchcore", 0.6)
    assert detector.threshold == detector.calibration.threshold
    assert repr(detector).startswith("<Detector patchcore, on torch: threshold ")
    assert repr(detector).endswith("at a false-alarm rate of 60 %>")
