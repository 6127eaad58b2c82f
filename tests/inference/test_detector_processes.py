"""A detector in other processes: forked, or pickled and sent."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from blemish.errors import ModelFileError
from blemish.inference.detector import Detector
from blemish.inference.engines import installed

FORKING = """
import math, os, sys, threading, time
from blemish.errors import ConfigError
from blemish.inference.detector import Detector

model, *images = sys.argv[1:]
detector = Detector.load(model)
expected = detector.predict(images[0]).score
engine = detector.engine


def slow(images):
    if threading.current_thread() is not threading.main_thread():
        time.sleep(0.5)
    return engine(images)


detector.engine = slow
many = detector.predict_many(images * 20)
next(many)  # another thread is at work, and it is its turn
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
scores = [one.predict(images[0]).score for one in (detector, Detector.load(model))]
scores.append(next(detector.predict_many(images[:1])).score)
assert all(math.isclose(score, expected, rel_tol=1e-4) for score in scores), (scores, expected)
if model.endswith(".onnx"):
    os._exit(0)  # as multiprocessing does: ONNX Runtime would wait for threads that are gone
try:
    Detector.load(model, threads=2)
except ConfigError as error:
    sys.exit("one thread in a forked process" not in str(error))
sys.exit("threads were promised")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_a_forked_process_predicts(suffix: str, exported: Path, files: list[Path]) -> None:
    command = [sys.executable, "-c", FORKING, str(exported.with_suffix(suffix)), *map(str, files)]
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx", "model.xml"])
def test_a_pickle_or_a_copy_judges_as_the_detector_does(name: str, exported: Path, files: list[Path]) -> None:
    path = exported.with_name(name)
    for engine in installed(path):
        detector = Detector.load(path, engine=engine, false_alarm_rate=0.2)
        expected = detector.predict(files[0])
        for same in (pickle.loads(pickle.dumps(detector)), copy.deepcopy(detector)):
            result = same.predict(files[0])
            assert (result.score, result.p_value) == (expected.score, expected.p_value)
            assert same.calibration.false_alarm_rate == 0.2 and same.engine.name == engine


def test_a_detector_that_was_fitted_can_be_pickled(detector: Detector, files: list[Path]) -> None:
    assert pickle.loads(pickle.dumps(detector)).predict(files[0]).score == detector.predict(files[0]).score


def test_a_pickle_of_a_file_that_is_another_now_is_refused(
    detector: Detector, exported: Path, tmp_path: Path
) -> None:
    path = shutil.copy(exported, tmp_path / "model.onnx")
    data = pickle.dumps(Detector.load(path))
    from blemish.export.graph import describe
    from blemish.inference.engines import read_metadata

    describe(path, read_metadata(path).model_copy(update={"preset": "another"}))
    with pytest.raises(ModelFileError, match=r"model\.onnx is no longer the model that was pickled"):
        pickle.loads(data)
    path.unlink()
    with pytest.raises(ModelFileError, match="There is no model file"):
        pickle.loads(data)
