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
from blemish.detector import Detector
from blemish.engines import installed, open_engine
from blemish.errors import BlemishError, ConfigError, ModelFileError
from blemish.modelfile import read_metadata
from helpers import small_fit, texture_files, textures

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="the extra openvino is not installed"
)
RUNS = [
    (".safetensors", "torch"),
    (".onnx", "onnxruntime"),
    pytest.param(".onnx", "openvino", marks=needs_openvino),
    pytest.param(".xml", "openvino", marks=needs_openvino),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .safetensors model with its .onnx, .xml and .bin files beside it."""
    path = small_fit(tmp_path_factory.mktemp("model"), false_alarm_rate=0.4)[1]
    result = CliRunner().invoke(app, ["export", str(path), str(path.with_suffix(".onnx"))])
    assert result.exit_code == 0, result.output
    if importlib.util.find_spec("openvino"):
        from blemish.export.openvino import convert

        convert(path.with_suffix(".onnx"))
    return path


@pytest.fixture
def pair(model: Path, tmp_path: Path) -> Path:
    """An .xml file with its .bin to spoil."""
    for suffix in (".xml", ".bin"):
        (tmp_path / f"copy{suffix}").write_bytes(model.with_suffix(suffix).read_bytes())
    return tmp_path / "copy.xml"


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
    monkeypatch.setitem(sys.modules, f"blemish.engines.{name}", None)
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
def test_openvino_refuses_threads_on_a_gpu(model: Path) -> None:
    with pytest.raises(ConfigError, match="--threads are of the CPU and --device is gpu; leave out one"):
        open_engine(model.with_suffix(".xml"), threads=2, device="gpu")


def test_torch_scores_without_tensorfloat_and_leaves_the_setting_alone(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, _ = open_engine(model, device="cpu")
    before, seen = torch.backends.cudnn.allow_tf32, []
    switch = getattr(torch.backends.cudnn, "conv", torch.backends.cudnn)

    def watched(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(getattr(switch, "fp32_precision", None) == "ieee" or not switch.allow_tf32)
        return images[:, 0, 0, 0], images[:, 0]

    monkeypatch.setattr(engine.model, "forward", watched)  # type: ignore[attr-defined]
    engine(textures(1))
    assert seen == [True] and torch.backends.cudnn.allow_tf32 == before


@pytest.mark.parametrize(
    ("suffix", "name", "device"),
    [
        (".safetensors", "torch", "tensorrt"),
        (".onnx", "onnxruntime", "gpu"),
        pytest.param(".onnx", "openvino", "cuda", marks=needs_openvino),
    ],
)
def test_a_device_of_another_engine_is_refused(model: Path, suffix: str, name: str, device: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} has no device '{device}'; choose --device auto, cpu"):
        open_engine(model.with_suffix(suffix), engine=name, device=device)


def test_torch_refuses_cuda_without_one(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no CUDA GPU"):
        open_engine(model, device="cuda")
    assert open_engine(model, device="cpu")[0].device.type == "cpu"  # type: ignore[attr-defined]


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_onnxruntime_names_the_missing_provider(
    device: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ConfigError, match=rf"(?i)no {device}ExecutionProvider; install onnxruntime-gpu"):
        open_engine(model.with_suffix(".onnx"), device=device)


def test_onnxruntime_names_the_provider_that_is_missing_and_no_other(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ["TensorrtExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
    with pytest.raises(ConfigError, match="has no CUDAExecutionProvider"):
        open_engine(model.with_suffix(".onnx"), device="tensorrt")


def test_a_provider_that_fails_is_not_told_as_damage(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fails(path: Path, options: Any, providers: list[Any]) -> None:
        asked.extend(providers)
        raise RuntimeError("no libcudnn\nTraceback")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fails)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(ConfigError, match=r"with CUDAExecutionProvider \(no libcudnn\); leave out --device"):
        open_engine(model.with_suffix(".onnx"), device="cuda")
    assert asked == [("CUDAExecutionProvider", {"use_tf32": "0"}), ("CPUExecutionProvider", {})]
    with pytest.raises(ModelFileError, match="damaged or no ONNX model"):
        open_engine(model.with_suffix(".onnx"), device="cpu")


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="its CUDA provider may start"
)
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_onnxruntime_never_goes_on_with_the_cpu_unasked(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promised = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: promised)
    with pytest.raises(ConfigError, match="could not start CUDAExecutionProvider"):
        open_engine(model.with_suffix(".onnx"), device="cuda")


@needs_openvino
def test_openvino_refuses_a_gpu_that_is_not_there(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    monkeypatch.setattr(openvino.Core, "available_devices", ["CPU"])
    with pytest.raises(ConfigError, match="finds no GPU"):
        open_engine(model.with_suffix(".xml"), device="gpu")


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
