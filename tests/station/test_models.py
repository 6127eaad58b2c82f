"""Models of a station: switched under load, replaced on disk, remembered over a restart."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from blemish.errors import ModelFileError
from blemish.inference.detector import Detector
from blemish.station.learning import threshold
from blemish.station.problems import Conflict
from blemish.station.settings import Settings
from blemish.station.station import Station
from tests.station.station import bad_part, good_part, png, running_station, write_grey_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models that give other scores, and a file that is none."""
    folder = tmp_path_factory.mktemp("models")
    write_grey_model(folder / "grey.onnx")
    write_grey_model(folder / "double.onnx", weight=2.0)
    (folder / "garbage.onnx").write_bytes(b"garbage" * 100)
    (folder / "note.txt").touch()
    return folder


@pytest.fixture
def model(models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(models / "grey.onnx", tmp_path / "grey.onnx"))


def test_models_are_listed_loaded_and_switched(models: Path, model: Path, tmp_path: Path) -> None:
    with (
        running_station(tmp_path, models=models) as running,
        httpx2.Client(base_url=running.url, timeout=30) as client,
    ):
        states = {state["name"]: state for state in client.get("/v1/models").json()}
        assert set(states) == {"grey.onnx", "double.onnx", "garbage.onnx"}
        assert [name for name, state in states.items() if state["active"]] == ["grey.onnx"]
        assert states["double.onnx"] == {
            "name": "double.onnx",
            "fingerprint": None,
            "method": None,
            "precision": None,
            "loaded": False,
            "active": False,
            "message": "",
        }
        loaded = client.post("/v1/models/double.onnx/load").json()
        assert (loaded["loaded"], loaded["active"], loaded["method"]) == (True, False, "patchcore")
        before = client.post("/v1/inspect", content=png(bad_part(1))).json()
        assert client.post("/v1/models/double.onnx/use").json()["active"] is True
        after = client.post("/v1/inspect", content=png(bad_part(1))).json()
        assert after["score"] == pytest.approx(2 * before["score"], rel=1e-5)
        assert after["model"] == loaded["fingerprint"] != before["model"]
        assert after["calibration"] != before["calibration"]
        for name, status in (("garbage.onnx", 409), ("note.txt", 404), ("..%2Fgrey.onnx", 404)):
            answer = client.post(f"/v1/models/{name}/use")
            assert answer.status_code == status and len(answer.json()["detail"]) > 20
        assert running.station.shelf.active.name == "double.onnx"
        picture = client.get(f"/v1/inspections/{before['id']}/overlay.png")
        assert picture.status_code == 200  # of a model that is no longer in use


def test_a_switch_drops_no_request(models: Path, model: Path, tmp_path: Path) -> None:
    with (
        running_station(tmp_path, models=models) as running,
        httpx2.Client(base_url=running.url, timeout=30) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        image = png(good_part(3))
        answers = [pool.submit(client.post, "/v1/inspect", content=image) for _ in range(200)]
        for name in 3 * ("double.onnx", "grey.onnx"):
            assert client.post(f"/v1/models/{name}/use").status_code == 200
        told = [answer.result() for answer in answers]
        assert {answer.status_code for answer in told} == {201}
        scores = {(one["model"], round(one["score"], 6)) for one in (answer.json() for answer in told)}
        assert len(scores) == len({model for model, _ in scores})  # each by the model it names


def test_the_choice_holds_over_a_restart(models: Path, model: Path, tmp_path: Path) -> None:
    with running_station(tmp_path, models=models) as running:
        running.station.shelf.use("double.onnx")
    with running_station(tmp_path, models=models) as running:
        assert running.station.shelf.active.name == "double.onnx"
    other = Path(shutil.copy(model, tmp_path / "other.onnx"))
    with running_station(tmp_path, models=models, model=other) as running:
        assert running.station.shelf.active.name == "other.onnx"  # told another model, it takes that


def test_a_chosen_model_that_broke_gives_way_to_the_given_one(
    models: Path, model: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    shutil.copytree(models, more)
    with running_station(tmp_path, models=more) as running:
        running.station.shelf.use("double.onnx")
    (more / "double.onnx").write_bytes(b"garbage")
    with running_station(tmp_path, models=more) as running:
        assert running.station.shelf.active.name == "grey.onnx"
        health = running.station.health()
        assert health.status == "degraded"
        (message,) = [part.message for part in health.parts if part.message]
        assert message.startswith("double.onnx, which was in use before the start, cannot be used: ")


def test_a_model_file_replaced_by_garbage_is_told_and_mended_without_a_restart(
    model: Path, tmp_path: Path
) -> None:
    content = model.read_bytes()
    with (
        running_station(tmp_path) as running,
        httpx2.Client(base_url=running.url, timeout=30) as client,
    ):

        def state() -> tuple[str, str]:
            running.station.look()
            health = client.get("/v1/health").json()
            return health["status"], next(p["message"] for p in health["parts"] if p["name"] == "model")

        assert state() == ("ok", "")
        model.write_bytes(b"garbage" * 1000)
        status, message = state()
        assert status == "degraded"
        assert message.startswith("grey.onnx was replaced by something that cannot be used, the model in")
        assert client.post("/v1/inspect", content=png(bad_part(2))).json()["is_anomalous"] is True
        assert client.post("/v1/models/grey.onnx/load").status_code == 409
        assert client.post("/v1/inspect", content=png(bad_part(2))).status_code == 201
        model.unlink()
        assert state()[1].startswith("grey.onnx is gone; the model in memory goes on")
        write_grey_model(model, weight=3.0)
        assert "was replaced by another model" in state()[1]
        model.write_bytes(content)
        assert state() == ("ok", "")


def test_a_station_does_not_start_without_its_model(tmp_path: Path) -> None:
    broken = tmp_path / "grey.onnx"
    broken.write_bytes(b"garbage")
    settings = Settings(model=broken, folder=tmp_path / "station")
    with pytest.raises(ModelFileError, match="damaged or no ONNX model"):
        Station(settings)
    write_grey_model(broken)
    station = Station(settings)  # nothing was left locked
    station.start()
    station.stop()


def test_a_calibration_outlives_loading_and_using_its_model_again(
    models: Path, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    shutil.copy(model, tmp_path / "more" / "copy.onnx")
    with running_station(tmp_path, models=tmp_path / "more") as running:
        station, shelf = running.station, running.station.shelf
        shelf.load("grey.onnx")
        first = shelf.active
        kept = threshold.set_rate(station, 0.2)
        for name in ("grey.onnx", "copy.onnx"):
            shelf.use(name)
            assert shelf.active.calibration == kept
        with pytest.raises(Conflict, match="changed meanwhile"):
            shelf.recalibrate(first, [1.0, 2.0], 0.3, "too late")
        assert station.store.calibration(first.fingerprint) == kept  # nothing of it is in the store


def test_loading_a_changed_file_does_not_hide_that_another_is_in_use(model: Path, tmp_path: Path) -> None:
    with running_station(tmp_path) as running:
        shelf = running.station.shelf
        write_grey_model(model, weight=3.0)
        assert "was replaced by another model" in shelf.check()
        shelf.load("grey.onnx")
        assert "was replaced by another model" in shelf.check() == shelf.states()[0].message
        shelf.use("grey.onnx")
        assert shelf.check() == "" == shelf.states()[0].message


def test_an_empty_database_learns_which_model_is_in_use(model: Path, tmp_path: Path) -> None:
    with running_station(tmp_path) as running, httpx2.Client(base_url=running.url, timeout=30) as client:
        station = running.station
        kept = threshold.set_rate(station, 0.2)
        for file in (tmp_path / "station").glob("station.sqlite*"):
            file.unlink()
        (tmp_path / "station" / "station.sqlite").touch()
        station.look()
        told = client.post("/v1/inspect", content=png(good_part(1))).json()
        calibration = station.store.calibration(told["model"])
        assert calibration.id == told["calibration"] and calibration.scores == kept.scores
        assert calibration.false_alarm_rate == 0.2
        assert client.get(f"/inspections/{told['id']}").status_code == 200


def test_a_model_that_loses_images_of_a_batch_stops_nothing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_station(tmp_path) as running, httpx2.Client(base_url=running.url, timeout=30) as client:
        detector = running.station.shelf.active.detector
        with monkeypatch.context() as broken:
            broken.setattr(detector, "score_framed", lambda images: [])
            assert client.post("/v1/inspect", content=png(good_part(1))).status_code == 503
            assert 'failures_total{reason="model"} 1.0' in client.get("/metrics").text
        assert client.post("/v1/inspect", content=png(good_part(1))).status_code == 201
        monkeypatch.setattr(Detector, "score_framed", lambda detector, images: [(0.0, None)])
        answer = client.post("/v1/models/grey.onnx/load")
        assert answer.status_code == 409 and "cannot score two images" in answer.json()["detail"]
