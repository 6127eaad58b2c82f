"""Power cuts, full disks and lost databases under a running `blemish serve`, as a user types it."""

import hashlib
import io
import shutil
import signal
import sqlite3
import threading
import time
from pathlib import Path

import httpx2
import numpy as np
import pytest

from blemish.station import health
from blemish.station.errors import Unavailable
from blemish.station.records import Filter
from blemish.station.station import Station
from blemish.station.storage import database
from blemish.station.storage.store import Store
from tests.station.storage.support import small_disk
from tests.station.support import (
    bad_part,
    encoded,
    good_part,
    running_station,
    station_process,
    until,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stations of this process look at their parts often, and wait for locks briefly."""
    monkeypatch.setattr(health, "SECONDS", 0.1)
    monkeypatch.setattr(database, "PATIENCE", 0.3)


def post_until_it_dies(url: str, worker: int, acknowledged: dict[str, dict], sent: dict[str, bytes]) -> None:
    """Images under keys of their own, until the station no longer answers."""
    with httpx2.Client(base_url=url, timeout=30) as client:
        for number in range(10_000):
            key = f"{url.rpartition(':')[2]}-{worker}-{number}"
            image = encoded(good_part(hash((worker, number)) % 2**32))
            sent[key] = image
            try:
                answer = client.post("/v1/inspect", content=image, headers={"Idempotency-Key": key})
            except httpx2.TransportError:
                return
            if answer.status_code == 201:
                acknowledged[key] = answer.json()


def test_kill_under_load_loses_nothing_acknowledged_and_repeats_nothing(
    grey_model: Path, tmp_path: Path, database_url: str
) -> None:
    station = ("--folder", tmp_path / "station", "--store", database_url)
    acknowledged: dict[str, dict] = {}
    sent: dict[str, bytes] = {}
    for enough in (15, 30):
        with station_process(grey_model, *station) as it:
            workers = [
                threading.Thread(target=post_until_it_dies, args=(it.url, worker, acknowledged, sent))
                for worker in range(6)
            ]
            for worker in workers:
                worker.start()
            until(lambda enough=enough: len(acknowledged) >= enough, 60)
            it.process.send_signal(signal.SIGKILL)
            for worker in workers:
                worker.join()
    with (
        station_process(grey_model, *station) as it,
        httpx2.Client(base_url=it.url, timeout=30) as client,
    ):
        for told in acknowledged.values():
            place = f"/v1/inspections/{told['id']}"
            assert client.get(place).json() == told
            image = client.get(f"{place}/image").content
            assert hashlib.sha256(image).hexdigest() == told["image"]
            raw = np.load(io.BytesIO(client.get(f"{place}/map.npy").content))
            assert raw.max() == pytest.approx(told["score"], rel=1e-5)
        numbers = {}
        for key, image in sent.items():
            answer = client.post("/v1/inspect", content=image, headers={"Idempotency-Key": key})
            numbers[key] = answer.json()["id"]
        assert all(numbers[key] == told["id"] for key, told in acknowledged.items())
    assert sorted(recorded_keys(database_url)) == sorted(f"api:{key}" for key in sent)


def recorded_keys(database_url: str) -> list[str | None]:
    store = Store(database_url)
    keys = [inspection.key for inspection in store.select(Filter(), limit=100_000)]
    store.close()
    return keys


def test_terminate_finishes_what_was_accepted(grey_model: Path, tmp_path: Path) -> None:
    acknowledged: dict[str, dict] = {}
    sent: dict[str, bytes] = {}
    with station_process(grey_model, "--folder", tmp_path / "station") as it:
        workers = [
            threading.Thread(target=post_until_it_dies, args=(it.url, worker, acknowledged, sent))
            for worker in range(6)
        ]
        for worker in workers:
            worker.start()
        time.sleep(0.5)
        it.stop()
        for worker in workers:
            worker.join()
    recorded = recorded_keys(f"sqlite:///{tmp_path / 'station' / 'station.sqlite'}")
    assert sorted(recorded) == sorted(f"api:{key}" for key in acknowledged)  # all that was recorded was told


def answers(client: httpx2.Client) -> tuple[int, str, str]:
    """Status and sentence of an inspection, and the health's status."""
    answer = client.post("/v1/inspect", content=encoded(bad_part(1)))
    detail = answer.json().get("detail", "")
    if answer.status_code == 503:
        assert int(answer.headers["Retry-After"]) > 0
    return answer.status_code, detail, client.get("/v1/health").json()["status"]


def wait_for(client: httpx2.Client, status: str) -> None:
    """Until the health has noticed by itself."""
    until(lambda: client.get("/v1/health").json()["status"] == status, 30)


def test_a_locked_database_is_told_and_waited_for(tmp_path: Path) -> None:
    with running_station(tmp_path) as running:
        client = running.client
        assert answers(client)[0] == 201
        lock = sqlite3.connect(tmp_path / "station" / "station.sqlite", isolation_level=None)
        lock.execute("begin exclusive")
        status, detail, _ = answers(client)
        assert status == 503 and "station.sqlite" in detail and "locked" in detail
        wait_for(client, "down")
        assert client.get("/v1/ready").status_code == 503
        assert "station.sqlite" in client.get("/", headers={"Accept": "text/html"}).text
        lock.rollback()
        lock.close()
        wait_for(client, "ok")
        assert answers(client)[0] == 201


def test_a_vanished_database_is_told_and_taken_up_again(tmp_path: Path) -> None:
    folder, away = tmp_path / "station", tmp_path / "away"
    away.mkdir()
    with running_station(tmp_path) as running:
        client = running.client
        first = client.post("/v1/inspect", content=encoded(good_part(1))).json()
        for file in folder.glob("station.sqlite*"):
            shutil.move(file, away / file.name)
        status, detail, _ = answers(client)
        assert status == 503 and "station.sqlite" in detail
        wait_for(client, "down")
        for file in away.iterdir():
            shutil.move(file, folder / file.name)
        wait_for(client, "ok")
        assert answers(client)[0] == 201
        assert client.get(f"/v1/inspections/{first['id']}").json() == first


def test_figures_are_there_while_the_folder_is_not(tmp_path: Path) -> None:
    with running_station(tmp_path) as running:
        client = running.client
        (tmp_path / "station").rename(tmp_path / "away")
        wait_for(client, "down")
        figures = client.get("/metrics").text
        assert "blemish_up 0.0" in figures and "blemish_disk_free_bytes NaN" in figures
        (tmp_path / "away").rename(tmp_path / "station")
        wait_for(client, "ok")
        assert answers(client)[0] == 201


def test_a_full_disk_is_told_and_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with (
        small_disk(disk, 3),
        running_station(tmp_path, folder=disk / "station") as running,
    ):
        client = running.client
        told = [client.post("/v1/inspect", content=encoded(good_part(seed))) for seed in range(5)]
        assert {answer.status_code for answer in told} == {201}
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(bytes(4096))
        status, detail, _ = answers(client)
        assert status == 503 and detail.endswith(".") and len(detail) > 30
        assert client.get("/v1/health").status_code == 200
        for answer in told:
            assert client.get(f"/v1/inspections/{answer.json()['id']}/image").status_code == 200
        filler.unlink()
        wait_for(client, "ok")
        assert answers(client)[0] == 201
        assert not list(disk.rglob("*.part"))


def test_two_stations_do_not_share_a_folder(tmp_path: Path) -> None:
    with running_station(tmp_path) as running:
        with pytest.raises(Unavailable, match="Another station uses the folder"):
            Station(running.station.settings)
        running.inspect(good_part(1))
