"""A station of two recipes that is killed while files arrive: each has exactly one record in the end."""

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

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["blemish.station.station", "onnxruntime"])


def run_station(settings: dict[str, Any], started: Any) -> None:
    """The process that is killed."""
    watched_folder.SECONDS = 0.02
    Station(Settings(**settings)).start()
    started.set()
    time.sleep(600)


@pytest.mark.slow
@pytest.mark.parametrize("move_to", ["done", None])
def test_killed_often_each_file_has_one_record(grey_model: Path, tmp_path: Path, move_to: str | None) -> None:
    folder, text, sides = tmp_path / "in", "", ("left", "right")
    for name in sides:
        (folder / name).mkdir(parents=True)
        text += f'[{name}]\nmodel = "{grey_model}"\nwatch = "{folder / name}"\n'
        text += f'move_to = "{tmp_path / move_to}"\n' if move_to else ""
    (tmp_path / "line.toml").write_text(text)
    settings: dict[str, Any] = {"recipes": tmp_path / "line.toml", "folder": tmp_path / "station"}
    settings |= {"settle": 0.05, "min_free_gb": 0, "threads": 1}
    files = {f"{sides[number % 2]}/a/{number // 2}.png": encoded(good_part(number)) for number in range(36)}
    files |= {f"{sides[number % 2]}/{number}.png": encoded(bad_part(number)) for number in range(60, 78)}
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
        found = {f"{record.recipe}/{record.name}": record for record in records}
        assert len(records) == len(found) and sorted(found) == sorted(files)
        for name, record in found.items():
            assert record.image == sha256(files[name]).hexdigest() and record.score
            assert station.files.read(record.image) == files[name]
    finally:
        station.stop()
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))
    assert left == ([] if move_to else sorted(files))
