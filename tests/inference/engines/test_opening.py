"""Every engine gives the scores of the model, on the threads and the device that were asked for."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

import blemish
from blemish.cli.app import app
from blemish.errors import BlemishError, ConfigError, ModelFileError
from blemish.inference.detector import Detector
from blemish.inference.engines import installed, open_engine, read_metadata
from tests.inference.engines.engined import RUNS, needs_openvino
from tests.inference.engines.engined import model as model
from tests.inference.engines.engined import pair as pair
from tests.support import texture_files, textures


@pytest.mark.parametrize(("suffix", "name"), RUNS)
def test_every_engine_scores_as_the_model_does(model: Path, suffix: str, name: str) -> None:
    original, metadata = open_engine(model)
    engine, same = open_engine(model.with_suffix(suffix), engine=name)
    assert (engine.name, same) == (name, metadata)
    for count in (1, 3, 16, 3, 1):
        images = textures(count, seed=count)
        scores, maps = engine(images)
        expected, expected_maps = original(images)
        assert (scores.dtype, maps.dtype) == (np.float32, np.float32)
        np.testing.assert_allclose(scores, expected, rtol=1e-4)
        np.testing.assert_allclose(maps, expected_maps, rtol=1e-3, atol=1e-3 * float(expected.max()))
    assert engine.explain(textures(1)) is None


@pytest.mark.parametrize(("suffix", "name"), RUNS)
def test_earlier_results_stay_as_they_were(model: Path, suffix: str, name: str) -> None:
    engine, _ = open_engine(model.with_suffix(suffix), engine=name)
    scores, maps = engine(textures(2, seed=1))
    before = scores.copy(), maps.copy()
    engine(textures(2, seed=2))
    assert np.array_equal(scores, before[0]) and np.array_equal(maps, before[1])


def test_the_kind_of_file_decides_unless_something_is_said(model: Path) -> None:
    openvino = ["openvino"] if importlib.util.find_spec("openvino") else []
    assert installed(model) == ["torch"]
    assert installed(model.with_suffix(".onnx")) == ["onnxruntime", *openvino]
    assert installed(model.with_suffix(".xml")) == openvino
    assert installed(Path("notes.txt")) == []
    for suffix in (".safetensors", ".onnx", ".xml"):
        names = installed(model.with_suffix(suffix))
        assert not names or blemish.load(model.with_suffix(suffix)).engine.name == names[0]


@pytest.mark.parametrize(
    ("suffix", "name", "words"),
    [
        (".safetensors", "openvino", r"openvino runs \.onnx and \.xml files, not .*blemish export"),
        (".safetensors", "onnxruntime", r"onnxruntime runs \.onnx files, not "),
        (
            ".onnx",
            "torch",
            r"torch runs \.safetensors files, not .*leave out --engine.*\(`blemish fit` writes them\)",
        ),
        (".onnx", "tensorflow", "no engine 'tensorflow'; choose one of torch, onnxruntime, openvino"),
    ],
)
def test_a_wrong_engine_is_refused(model: Path, suffix: str, name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Detector.load(model.with_suffix(suffix), engine=name)


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_an_engine_that_is_not_installed_is_named(
    name: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"blemish.inference.engines.{name}", None)
    file = model if name == "torch" else model.with_suffix(".onnx")
    advice = (
        r"train\]\", or use the model exported" if name == "torch" else r"openvino\]\", or choose --engine"
    )
    with pytest.raises(BlemishError, match=advice):
        open_engine(file, engine=name)


@pytest.fixture
def torch_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2])
def test_torch_takes_the_threads(model: Path, count: int, torch_threads: None) -> None:
    open_engine(model, threads=count)
    assert torch.get_num_threads() == count


@pytest.mark.parametrize("count", [1, 2])
def test_onnxruntime_takes_the_threads_and_does_not_spin(model: Path, count: int) -> None:
    engine, _ = open_engine(model.with_suffix(".onnx"), threads=count)
    options = engine.session.get_session_options()  # type: ignore[attr-defined]
    assert options.intra_op_num_threads == count
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@needs_openvino
@pytest.mark.parametrize("count", [1, 2])
def test_openvino_takes_the_threads_and_calculates_in_float32(model: Path, count: int) -> None:
    engine, _ = open_engine(model.with_suffix(".xml"), threads=count)
    compiled = engine.model  # type: ignore[attr-defined]
    assert compiled.get_property("INFERENCE_NUM_THREADS") == count
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
    assert str(compiled.get_property("PERFORMANCE_HINT")).endswith("LATENCY")


@pytest.mark.parametrize("threads", [0, -1, 2.0, "2", True])
def test_threads_are_a_whole_number_from_1_on(model: Path, threads: Any) -> None:
    with pytest.raises(ConfigError, match=f"whole number from 1 on, not {threads!r}; leave it out"):
        open_engine(model, threads=threads)


@needs_openvino
def test_the_description_of_a_pair_is_read_as_text(pair: Path, model: Path) -> None:
    assert read_metadata(pair) == read_metadata(model)
    pair.with_suffix(".bin").write_bytes(b"")
    assert read_metadata(pair) == read_metadata(model)


@needs_openvino
def test_openvino_reads_an_onnx_file_without_another_engine(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)
    _, metadata = open_engine(model.with_suffix(".onnx"), engine="openvino")
    assert metadata == read_metadata(model)


@needs_openvino
def test_weights_of_another_fit_are_refused(pair: Path) -> None:
    weights = pair.with_suffix(".bin")
    other = bytearray(weights.read_bytes())
    other[len(other) // 2] ^= 1
    weights.write_bytes(other)
    with pytest.raises(
        ModelFileError, match=r"copy\.xml does not fit its \.bin file; export the model again"
    ):
        open_engine(pair)


@needs_openvino
def test_a_new_description_leaves_the_weights_fitting(pair: Path) -> None:
    from blemish.export.openvino import describe_pair

    changed = read_metadata(pair).model_copy(update={"preset": "another"})
    describe_pair(pair, changed)
    assert open_engine(pair)[1] == changed
    assert pair.read_text().count("<blemish_weights ") == 1


@needs_openvino
def test_a_spoilt_pair_is_refused(pair: Path) -> None:
    weights, text = pair.with_suffix(".bin"), pair.read_text()
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelFileError, match=r"does not fit its \.bin file"):
        open_engine(pair)
    weights.unlink()
    with pytest.raises(ModelFileError, match=r"has no copy\.bin with its weights beside it; copy both"):
        read_metadata(pair)
    weights.touch()
    for spoilt, words in (
        ("", "damaged"),
        (text[: len(text) // 2], "damaged"),
        ("<html><p>hello</p></html>", "was not made by Blemish"),
        (text.replace("<blemish ", "<other "), "was not made by Blemish"),
        (text.replace("format_version", "version"), "description in .* is damaged"),
    ):
        pair.write_text(spoilt)
        with pytest.raises(ModelFileError, match=words):
            read_metadata(pair)
        with pytest.raises(ModelFileError, match=words):
            open_engine(pair)


@needs_openvino
def test_statistics_cannot_be_chosen_for_a_graph(model: Path) -> None:
    with pytest.raises(ConfigError, match="built in"):
        Detector.load(model.with_suffix(".xml"), batchnorm_at_test="eval")


@needs_openvino
def test_the_command_line_takes_engine_threads_and_device(model: Path, tmp_path: Path) -> None:
    good = texture_files(tmp_path / "good", 2, seed=5)[0].parent
    bad = texture_files(tmp_path / "bad", 2, seed=6)[0].parent
    expected = [result.score for result in blemish.load(model).predict_many(sorted(good.iterdir()))]
    for suffix, engine in ((".onnx", "onnxruntime"), (".onnx", "openvino"), (".xml", "openvino")):
        file = str(model.with_suffix(suffix))
        options = ["--engine", engine, "--threads", "1", "--device", "cpu", "--quiet"]
        predicted = CliRunner().invoke(app, ["predict", file, str(good), *options])
        scores = [float(row.split(",")[1]) for row in predicted.stdout.splitlines()[1:]]
        assert scores == pytest.approx(expected, rel=1e-4)
        evaluated = CliRunner().invoke(
            app, ["evaluate", file, "--good", str(good), "--bad", str(bad), "--json", *options]
        )
        images = {image["path"]: image["score"] for image in json.loads(evaluated.stdout)["images"]}
        assert [images[str(path)] for path in sorted(good.iterdir())] == pytest.approx(expected, rel=1e-4)


def test_the_command_line_refuses_in_one_sentence(model: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "blemish",
        "predict",
        str(model.with_suffix(".onnx")),
        "--engine",
        "torch",
    ]
    result = subprocess.run([*command, str(model.parent)], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("blemish: The engine torch runs .safetensors files")
    assert result.stderr.count("\n") == 1


@needs_openvino
def test_ctrl_c_is_survived_after_a_detector_is_gone(model: Path, tmp_path: Path) -> None:
    [image] = texture_files(tmp_path, 1)
    code = (
        "import signal, threading, blemish\n"
        f"detector = blemish.load({str(model.with_suffix('.onnx'))!r}, engine='openvino')\n"
        f"list(detector.predict_many([{str(image)!r}]))\n"
        "held = [detector]\n"
        "del detector\n"
        "other = threading.Thread(target=held.clear)\n"
        "other.start(), other.join()\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background shell ignores it
        "try: signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt: print('stopped')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (0, "stopped\n"), result.stderr
