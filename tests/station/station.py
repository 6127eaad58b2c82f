"""A real station on a real port, with a model that takes no training: how far a place is from middle grey."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import uvicorn
from onnx import TensorProto, helper
from PIL import Image

from blemish.images.frame import Frame
from blemish.inference.detector import Detector
from blemish.inference.model_file import KEY, Metadata
from blemish.models.registry import config_class
from blemish.station.settings import Settings
from blemish.station.station import Station
from blemish.station.web.app import create_app

SIZE = 64
CALIBRATION = 199


def good_part(seed: int, size: int = SIZE) -> np.ndarray:
    """Noise around middle grey, uint8 [size, size, 3]."""
    rng = np.random.default_rng(seed)
    level = 128 + rng.normal(0, 3)
    return np.clip(rng.normal(level, 6, (size, size, 1)).repeat(3, axis=2), 0, 255).astype(np.uint8)


def bad_part(seed: int, size: int = SIZE) -> np.ndarray:
    """The same with a bright spot."""
    image = good_part(seed, size)
    x, y = np.random.default_rng(seed + 1).integers(8, size - 16, 2)
    image[y : y + 8, x : x + 8] = 230
    return image


def png(image: np.ndarray) -> bytes:
    """The image as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def write_grey_model(path: Path, *, rate: float = 0.02, weight: float = 1.0) -> Path:
    """An .onnx model: its map is the blurred distance from middle grey, times `weight`; score is the peak."""
    image = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 3, SIZE, SIZE])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch"])
    anomaly_map = helper.make_tensor_value_info("anomaly_map", TensorProto.FLOAT, ["batch", SIZE, SIZE])
    constants = [
        helper.make_tensor("half", TensorProto.FLOAT, [], [127.5]),
        helper.make_tensor("weight", TensorProto.FLOAT, [], [weight / 127.5]),
        helper.make_tensor("channel", TensorProto.INT64, [1], [1]),
        helper.make_tensor("places", TensorProto.INT64, [2], [1, 2]),
    ]
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["float", "half"], ["centred"]),
        helper.make_node("Abs", ["centred"], ["distance"]),
        helper.make_node("ReduceMean", ["distance", "channel"], ["grey"], keepdims=1),
        helper.make_node("AveragePool", ["grey"], ["blurred"], kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        helper.make_node("Mul", ["blurred", "weight"], ["weighted"]),
        helper.make_node("Squeeze", ["weighted", "channel"], ["anomaly_map"]),
        helper.make_node("ReduceMax", ["anomaly_map", "places"], ["score"], keepdims=0),
    ]
    graph = helper.make_graph(nodes, "grey", [image], [score, anomaly_map], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    _describe(model, [1.0, 2.0], rate)
    onnx.save(model, path)
    detector = Detector.load(path)
    scored = [detector.score_framed([good_part(seed)])[0][0] for seed in range(10_000, 10_000 + CALIBRATION)]
    _describe(model, scored, rate)
    onnx.save(model, path)
    return path


def _describe(model: onnx.ModelProto, scores: list[float], rate: float) -> None:
    metadata = Metadata(
        method="patchcore",
        config=config_class("patchcore")().model_dump(mode="json"),
        frame=Frame(resize=SIZE, crop=SIZE),
        calibration={"scores": scores, "false_alarm_rate": rate},
        map_peaks=scores,
        teacher="",
        training={},
        data={"name": "grey parts"},
    )
    del model.metadata_props[:]
    helper.set_model_props(model, {KEY: metadata.model_dump_json()})


@dataclass
class Running:
    """A station that listens at `url`."""

    station: Station
    url: str


@contextmanager
def running_station(root: Path, **settings: Any) -> Iterator[Running]:
    """A station with the grey model, in a thread of this process; settings as in `Settings`."""
    model = root / "grey.onnx"
    if not model.exists():
        write_grey_model(model)
    values = {"model": model, "folder": root / "station", "min_free_gb": 0} | settings
    station = Station(Settings(**values))
    station.start()
    config = uvicorn.Config(create_app(station), port=0, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Running(station, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        thread.join()
        station.stop()
