"""Power cuts, full disks and lost databases under a running `blemish serve`, as a user types it."""

import io
import math
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from blemish.station import health
from blemish.station.storage import database
from blemish.station.storage.files import UNFINISHED, digest_of
from tests.station.support import encoded, good_part, recorded, running_station, station_process, until

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stations of this process look at their parts often, and wait for locks briefly."""
    monkeypatch.setattr(health, "SECONDS", 0.1)
    monkeypatch.setattr(database, "PATIENCE", 0.3)


class Load:
    """Six that send images under keys of their own, until the station no longer answers."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, dict[str, Any]] = {}
        self.sent: dict[str, bytes] = {}

    @contextmanager
    def on(self, url: str) -> Iterator[None]:
        with ThreadPoolExecutor(6) as pool:
            for worker in range(6):
                pool.submit(self._post, url, worker)
            yield

    def _post(self, url: str, worker: int) -> None:
        with httpx2.Client(base_url=url, timeout=30) as client:
            for number in range(10_000):
                key = f"{url.rpartition(':')[2]}-{worker}-{number}"
                self.sent[key] = encoded(good_part(hash((worker, number)) % 2**32))
                try:
                    answer = send(client, key, self.sent[key])
                except httpx2.TransportError:
                    return
                if answer.status_code == 201:
                    self.acknowledged[key] = answer.json()


def send(client: httpx2.Client, key: str, image: bytes) -> httpx2.Response:
    return client.post("/v1/inspect", content=image, headers={"Idempotency-Key": key})


def recorded_keys(database_url: str) -> list[str]:
    return sorted(str(inspection.key).removeprefix("grey/api:") for inspection in recorded(database_url))


def test_a_kill_loses_and_repeats_nothing(grey_model: Path, tmp_path: Path, database_url: str) -> None:
    station, load = ("--folder", tmp_path / "station", "--store", database_url), Load()
    for enough in (15, 30):
        with station_process(grey_model, *station) as it, load.on(it.url):
            until(lambda enough=enough: len(load.acknowledged) >= enough, 60)
            it.process.send_signal(signal.SIGKILL)
    (tmp_path / "station" / UNFINISHED / "half.part").touch()
    with station_process(grey_model, *station) as it, httpx2.Client(base_url=it.url, timeout=30) as client:
        for told in load.acknowledged.values():
            place = f"/v1/inspections/{told['id']}"
            assert client.get(place).json() == told
            assert digest_of(client.get(f"{place}/image").content) == told["image"]
            raw = np.load(io.BytesIO(client.get(f"{place}/map.npy").content))
            assert raw.max() == pytest.approx(told["score"], rel=1e-5)
        numbers = {key: send(client, key, image).json()["id"] for key, image in load.sent.items()}
        assert all(numbers[key] == told["id"] for key, told in load.acknowledged.items())
        whole = [path for path in (tmp_path / "station").rglob("*") if len(path.name) == 64]
        assert whole and all(digest_of(path.read_bytes()) == path.name for path in whole)
        assert not any((tmp_path / "station" / UNFINISHED).iterdir())
    assert recorded_keys(database_url) == sorted(load.sent)


def test_terminate_finishes_what_was_accepted(grey_model: Path, tmp_path: Path) -> None:
    load = Load()
    with station_process(grey_model, "--folder", tmp_path / "station") as it, load.on(it.url):
        time.sleep(0.5)
        it.stop()
    database_url = f"sqlite:///{tmp_path / 'station' / 'station.sqlite'}"
    assert recorded_keys(database_url) == sorted(load.acknowledged)  # all that was recorded was told


@contextmanager
def locked(folder: Path) -> Iterator[str]:
    lock = sqlite3.connect(folder / "station.sqlite", isolation_level=None)
    lock.execute("begin exclusive")
    yield "station.sqlite cannot be used (database is locked)"
    lock.close()


@contextmanager
def moved(folder: Path) -> Iterator[str]:
    away = folder.rename(folder.with_name("away"))
    yield str(folder)
    away.rename(folder)


def wait_for(client: httpx2.Client, status: str) -> None:
    """Until the health has noticed by itself."""
    until(lambda: client.get("/v1/health").json()["status"] == status, 30)


@pytest.mark.parametrize("trouble", [locked, moved])
def test_what_is_not_there_is_told_and_taken_up_again(
    tmp_path: Path, trouble: Callable[[Path], AbstractContextManager[str]]
) -> None:
    with running_station(tmp_path) as running:
        client, first = running.client, running.inspect(good_part(1))
        with trouble(tmp_path / "station") as sentence:
            answer = client.post("/v1/inspect", content=encoded(good_part(2)))
            assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
            assert sentence in answer.json()["detail"]
            wait_for(client, "down")
            assert client.get("/v1/ready").status_code == 503
            assert sentence in client.get("/", headers={"Accept": "text/html"}).text
            assert running.figure("up") == 0
            assert math.isnan(running.figure("disk_free_bytes")) == (trouble is moved)
        wait_for(client, "ok")
        assert client.get(f"/v1/inspections/{first['id']}").json() == first
        assert running.inspect(good_part(2))["id"] == 2


def test_a_full_disk_is_told_and_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        with running_station(tmp_path, folder=disk / "station") as running:
            client = running.client
            told = [running.inspect(good_part(seed)) for seed in range(5)]
            filler = disk / "filler"
            with pytest.raises(OSError, match="No space left"):
                filler.write_bytes(bytes(4_000_000))
            answer = client.post("/v1/inspect", content=encoded(good_part(9)))
            detail = answer.json()["detail"]
            assert answer.status_code == 503 and detail.endswith(".") and len(detail) > 30
            wait_for(client, "down")
            for one in told:
                assert client.get(f"/v1/inspections/{one['id']}/image").status_code == 200
            filler.unlink()
            wait_for(client, "ok")
            running.inspect(good_part(9))
            assert not list(disk.rglob("*.part"))
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
