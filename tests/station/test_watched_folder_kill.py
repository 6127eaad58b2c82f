"""A station that is killed while files arrive: each has exactly one record in the end."""

import multiprocessing
import random
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from blemish.station import watched_folder
from blemish.station.records import Filter
from blemish.station.settings import Settings
from blemish.station.station import Station
from tests.station.support import bad_part, encoded, good_part, put, until

pytestmark = pytest.mark.slow

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["blemish.station.station", "onnxruntime"])


def run_station(settings: dict[str, Any], started: Any) -> None:
    """The process that is killed."""
    watched_folder.SECONDS = 0.02
    Station(Settings(**settings)).start()
    started.set()
    time.sleep(600)


@pytest.mark.parametrize("moving_away", [True, False])
def test_killed_again_and_again_each_file_has_one_record(
    grey_model: Path, tmp_path: Path, moving_away: bool
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    settings: dict[str, Any] = {
        "model": grey_model,
        "folder": tmp_path / "station",
        "watch": folder,
        "move_to": tmp_path / "done" if moving_away else None,
        "settle": 0.05,
        "min_free_gb": 0,
        "threads": 1,
    }
    files = {f"{number % 3}/{number:03}.png": encoded(good_part(number)) for number in range(36)}
    files |= {f"{number:03}.png": encoded(bad_part(number)) for number in range(60, 78)}
    waiting, draw = list(files.items()), random.Random(0)
    draw.shuffle(waiting)
    while waiting:
        started = PROCESSES.Event()
        process = PROCESSES.Process(target=run_station, args=(settings, started), daemon=True)
        process.start()
        assert started.wait(60)
        for _ in range(18):
            name, content = waiting.pop()
            put(folder / name, content)
            time.sleep(0.02 * draw.random())
        time.sleep(0.2 * draw.random())
        process.kill()
        process.join()
    station = Station(Settings(**settings))
    station.start()
    try:
        until(lambda: station.store.count(Filter()) >= len(files), 30)
        time.sleep(1)
        records = station.store.select(Filter(), limit=1000)
        images = {name: sha256(content).hexdigest() for name, content in files.items()}
        assert sorted(record.name for record in records) == sorted(files)
        assert all(record.image == images[record.name] and record.score for record in records)
        assert all(station.files.read(str(record.image)) == files[record.name] for record in records)
    finally:
        station.stop()
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    assert left == ([] if moving_away else sorted(files))
