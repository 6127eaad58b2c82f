"""Stations to test: parts to inspect, a model that takes no training, a station in a thread or a process."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import uvicorn
from onnx import TensorProto, helper
from onnx.parser import parse_model
from PIL import Image

from blemish.images.frame import Frame
from blemish.inference.detector import Detector
from blemish.inference.held_out_maps import packed, reduced, to_text
from blemish.inference.model_file import HELD_OUT_MAPS_KEY, KEY, Metadata
from blemish.models.registry import config_class
from blemish.station.recipe import Recipe
from blemish.station.records import Filter, Inspection
from blemish.station.settings import Settings
from blemish.station.station import Station
from blemish.station.storage.store import Store
from blemish.station.web.app import create_app

Scoring = Callable[[Station, Callable[[list[np.ndarray]], object]], None]  # the fixture `scoring`
SIZE = 64
TOKEN = "correct-horse-battery-staple"


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


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


GREY = """
<ir_version: 9, opset_import: ["" : 18]>
grey (uint8[batch, 3, 64, 64] images) => (float[batch] score, float[batch, 64, 64] anomaly_map)
<float half = {127.5}, int64[1] channel = {1}, int64[2] places = {1, 2}>
{
  float_images = Cast <to = 1> (images)
  centred = Sub (float_images, half)
  distance = Abs (centred)
  grey_distance = ReduceMean <keepdims = 1> (distance, channel)
  blurred = AveragePool <kernel_shape = [5, 5], pads = [2, 2, 2, 2]> (grey_distance)
  weighted = Mul (blurred, weight)
  anomaly_map = Squeeze (weighted, channel)
  score = ReduceMax <keepdims = 0> (anomaly_map, places)
}
"""


@cache
def grey_onnx(weight: float = 1.0, scores: tuple[float, ...] = (), rate: float = 0.02) -> bytes:
    """An .onnx model: its map is the blurred distance from middle grey, times `weight`; score is the peak.

    Without scores of its calibration it is calibrated with 199 good parts, and holds their maps.
    """
    props = {}
    if not scores:
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            file.write(grey_onnx(weight, (1.0, 2.0)))
            file.flush()
            detector = Detector.load(file.name)
        parts = [good_part(seed) for seed in range(10_000, 10_199)]
        scored = detector.score_framed(parts)
        scores = tuple(score for score, _ in scored)
        props[HELD_OUT_MAPS_KEY] = to_text(packed([reduced(anomaly_map) for _, anomaly_map in scored]))
    metadata = Metadata(
        method="patchcore",
        config=config_class("patchcore")().model_dump(mode="json"),
        frame=Frame(resize=SIZE, crop=SIZE),
        calibration={"scores": scores, "false_alarm_rate": rate},
        map_peaks=scores,
        teacher="",
        training={},
        data={"name": "grey parts", "images": 199},
    )
    model = parse_model(GREY)
    model.graph.initializer.append(helper.make_tensor("weight", TensorProto.FLOAT, [], [weight / 127.5]))
    helper.set_model_props(model, props | {KEY: metadata.model_dump_json()})
    return model.SerializeToString()


@dataclass
class Running:
    """A station that listens at `url`, and a client of it."""

    station: Station
    url: str
    client: httpx2.Client

    @property
    def recipe(self) -> Recipe:
        """The only one, or the default one."""
        return self.station.default

    def inspect(self, image: np.ndarray, **query: str) -> dict[str, Any]:
        """What the station answers to an image."""
        answer = self.client.post("/v1/inspect", content=encoded(image), params=query)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def figure(self, name: str) -> float:
        return float(self.client.get("/metrics").text.split(f"\nblemish_{name} ")[1].split()[0])


@contextmanager
def running_station(root: Path, **settings: Any) -> Iterator[Running]:
    """A station with the grey model, in a thread of this process; settings as in `Settings`."""
    model = root / "grey.onnx"
    model.write_bytes(grey_onnx())
    values = {"folder": root / "station", "min_free_gb": 0} | settings
    if "recipes" not in settings:
        values = {"model": model} | values
    station = Station(Settings(**values))
    station.start()
    with served(create_app(station)) as url, httpx2.Client(base_url=url, timeout=60) as client:
        try:
            yield Running(station, url, client)
        finally:
            station.stop()


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The address of an application that is served in a thread of this process."""
    config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off", http="h11", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@dataclass
class Process:
    """A station's process, what it said of where it is, and the file it writes its log to."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def stop(self, number: int = signal.SIGTERM) -> list[dict[str, Any]]:
        """Ask it to end, see that it does so well, and give its log."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        lines = self.log.read_text(encoding="utf-8").splitlines()
        assert code == 0, lines
        return [json.loads(line) for line in lines if line.startswith("{")]


@contextmanager
def station_process(*arguments: str | Path, **environment: str) -> Iterator[Process]:
    """A station on a free port, killed in the end if it still runs."""
    with tempfile.NamedTemporaryFile() as file:
        log = Path(file.name)
        process = subprocess.Popen(
            [sys.executable, "-m", "blemish", "serve", "--port", "0", "--min-free-gb", "0", *arguments],
            stderr=file,
            env=os.environ | environment,
        )
        try:
            until(lambda: process.poll() is not None or _address(log), 60)
            assert process.poll() is None, log.read_text(encoding="utf-8")
            yield Process(process, _address(log), log)
        finally:
            process.kill()
            process.wait()


def _address(log: Path) -> str:
    found = re.search(r"The station starts at (\S+) ", log.read_text(encoding="utf-8"))
    return found[1] if found else ""


def until(holds: Callable[[], Any], seconds: float = 10) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


def recorded(database_url: str) -> list[Inspection]:
    """All inspections in a database that no station has open, newest first."""
    store = Store(database_url)
    found = store.select(Filter(), limit=100_000)
    store.close()
    return found


def put(path: Path, content: bytes, age: float = 0) -> Path:
    """Write a file as whole as a rename makes it, last written `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.utime(part, ns=(0, time.time_ns() - round(age * 1e9)))
    return part.rename(path)
