"""OpenVINO: precision, threads and devices, and pairs of files that belong together."""

import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from blemish.errors import ConfigError, ModelFileError
from blemish.inference.engines import open_engine, read_metadata

openvino = pytest.importorskip("openvino", reason="the extra openvino is not installed")


@pytest.fixture
def pair(exported: Path, tmp_path: Path) -> Path:
    """An .xml file with its .bin to spoil."""
    for suffix in (".xml", ".bin"):
        (tmp_path / f"copy{suffix}").write_bytes(exported.with_suffix(suffix).read_bytes())
    return tmp_path / "copy.xml"


def test_it_takes_the_threads_and_calculates_in_float32(exported: Path) -> None:
    for count in (1, 2):
        engine, _ = open_engine(exported.with_suffix(".xml"), threads=count)
        compiled = engine.model  # type: ignore[attr-defined]
        assert compiled.get_property("INFERENCE_NUM_THREADS") == count
        assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "f32"
        assert str(compiled.get_property("PERFORMANCE_HINT")).endswith("LATENCY")


def test_a_gpu_that_cannot_be_used_is_refused(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino.Core, "available_devices", ["CPU"])
    with pytest.raises(ConfigError, match="finds no GPU"):
        open_engine(exported.with_suffix(".xml"), device="gpu")
    with pytest.raises(ConfigError, match="--threads are of the CPU and --device is gpu; leave out one"):
        open_engine(exported.with_suffix(".xml"), device="gpu", threads=2)


def test_an_onnx_file_is_read_without_another_engine(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = read_metadata(exported)
    monkeypatch.setattr(onnxruntime, "InferenceSession", None)
    assert open_engine(exported, engine="openvino")[1] == expected


def test_weights_of_another_fit_are_refused_and_the_description_is_read_without_them(
    pair: Path, exported: Path
) -> None:
    weights = pair.with_suffix(".bin")
    content = weights.read_bytes()
    middle = len(content) // 2
    for other in (content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :], content[:1000]):
        weights.write_bytes(other)
        assert read_metadata(pair) == read_metadata(exported)
        with pytest.raises(ModelFileError, match=r"copy\.xml does not fit its \.bin file; export the model"):
            open_engine(pair)
    weights.unlink()
    with pytest.raises(ModelFileError, match=r"has no copy\.bin with its weights beside it; copy both"):
        read_metadata(pair)


def test_a_spoilt_description_is_refused(pair: Path) -> None:
    text = pair.read_text()
    for spoilt, words in (
        ("", "damaged"),
        (text[: len(text) // 2], "damaged"),
        ("<html><p>hello</p></html>", "was not made by Blemish"),
        (text.replace("<blemish ", "<other "), "was not made by Blemish"),
        (text.replace("format_version", "version"), "description in .* is damaged"),
    ):
        pair.write_text(spoilt)
        for read in (read_metadata, open_engine):
            with pytest.raises(ModelFileError, match=words):
                read(pair)


CTRL_C = """
import signal, sys, threading, blemish
held = [blemish.load(sys.argv[1], engine="openvino")]
list(held[0].predict_many([sys.argv[2]]))
other = threading.Thread(target=held.clear)
other.start(), other.join()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
try: signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt: print("stopped")
"""


@pytest.mark.slow
def test_ctrl_c_is_survived_after_a_detector_is_gone(exported: Path, files: list[Path]) -> None:
    command = [sys.executable, "-c", CTRL_C, exported, files[0]]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (0, "stopped\n"), result.stderr
