"""Models of a station: switched under load, told with every change, refused when they are broken."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from blemish.errors import ModelFileError
from blemish.inference.detector import Detector
from blemish.station.errors import Conflict
from blemish.station.learning import threshold
from blemish.station.records import Author
from blemish.station.settings import Settings
from blemish.station.station import Station
from tests.station.support import bad_part, encoded, good_part, grey_onnx, running_station

pytestmark = pytest.mark.slow


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Two models that give other scores, and files that are none."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "double.onnx").write_bytes(grey_onnx(2.0))
    (folder / "copy.onnx").write_bytes(grey_onnx())
    (folder / "garbage.onnx").write_bytes(b"garbage" * 100)
    (folder / "note.txt").touch()
    return folder


def test_models_are_listed_and_used(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_station(tmp_path, models=models) as it:
        states = {state["name"]: state for state in it.client.get("/v1/models").json()}
        assert set(states) == {"grey.onnx", "copy.onnx", "double.onnx", "garbage.onnx"}
        assert [name for name, state in states.items() if state["active"]] == ["grey.onnx"]
        assert (states["grey.onnx"]["method"], states["double.onnx"]["method"]) == ("patchcore", None)
        before = it.inspect(bad_part(1))
        used = it.client.post("/v1/models/double.onnx/use").json()
        assert used["active"] is True and used["method"] == "patchcore"
        after = it.inspect(bad_part(1))
        assert after["score"] == pytest.approx(2 * before["score"], rel=1e-5)
        assert after["model"] == used["fingerprint"] != before["model"]
        assert after["calibration"] != before["calibration"]
        picture = it.client.get(f"/v1/inspections/{before['id']}/overlay.png")
        assert picture.status_code == 200  # of a model that is no longer in use
        monkeypatch.setattr(Detector, "score_framed", lambda detector, images: [(0.0, None)])
        for name, status, sentence in (
            ("garbage.onnx", 409, "damaged"),
            ("note.txt", 404, "There is no model 'note.txt'"),
            ("..%2Fgrey.onnx", 404, "Not Found"),
            ("grey.onnx", 409, "cannot score two images at once"),
        ):
            answer = it.client.post(f"/v1/models/{name}/use")
            assert answer.status_code == status and sentence in answer.json()["detail"]
        assert it.recipe.models.active.name == "double.onnx"


def test_a_switch_drops_no_request(models: Path, tmp_path: Path) -> None:
    image = encoded(good_part(3))
    with running_station(tmp_path, models=models) as it, ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(it.client.post, "/v1/inspect", content=image) for _ in range(200)]
        for name in 3 * ("double.onnx", "grey.onnx"):
            assert it.client.post(f"/v1/models/{name}/use").status_code == 200
        told = [answer.result() for answer in answers]
        assert {answer.status_code for answer in told} == {201}
        scores = {(one["model"], round(one["score"], 6)) for one in (answer.json() for answer in told)}
        assert len(scores) == len({model for model, _ in scores})  # each by the model it names


def test_the_model_of_the_start_runs_whatever_was_chosen_before(
    models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running_station(tmp_path, models=models) as it:
        threshold.set_rate(it.recipe, 0.2)
        it.recipe.models.use("double.onnx", Author("anna", "sharper"))
        (chosen,) = it.recipe.changes(1)
        assert chosen.after == str(it.recipe.models.active) and "sharper" in it.client.get("/live").text
    with running_station(tmp_path, models=models) as it:
        active = it.recipe.models.active
        assert active.name == "grey.onnx" and active.calibration.false_alarm_rate == 0.2
        told = [(one.kind, one.who, one.after.partition(" ")[0]) for one in it.recipe.changes(9)]
        command = "command line"
        assert told == [
            ("model", command, "grey.onnx"),
            ("model", "anna", "double.onnx"),
            ("threshold", "anna", "No."),
            ("threshold", command, "No."),
            ("model", command, "grey.onnx"),
            ("threshold", command, "No."),
        ]
        assert any("start changed" in one.message for one in caplog.records if one.levelname == "WARNING")
        (state,) = it.client.get("/v1/recipes").json()
        assert (state["model_name"], state["threshold"]) == ("grey.onnx", active.calibration.threshold)
        (latest,) = it.recipe.changes(1)
    with running_station(tmp_path, models=models) as it:
        assert it.recipe.changes(1) == [latest], "nothing was changed by this start"
    (tmp_path / "grey.rules.toml").write_text("defective = 0.3")
    with running_station(tmp_path) as it:
        assert "0.3" in it.recipe.changes(1)[0].after


def test_a_station_does_not_start_without_its_model(tmp_path: Path) -> None:
    broken = tmp_path / "grey.onnx"
    broken.write_bytes(b"garbage")
    settings = Settings(model=broken, folder=tmp_path / "station")
    with pytest.raises(ModelFileError, match="damaged or no ONNX model"):
        Station(settings)
    broken.write_bytes(grey_onnx())
    Station(settings).close()  # nothing was left locked


def test_a_calibration_outlives_using_its_model_again(models: Path, tmp_path: Path) -> None:
    with running_station(tmp_path, models=models) as it:
        first = it.recipe.models.active
        kept = threshold.set_rate(it.recipe, 0.2)
        for name in ("grey.onnx", "copy.onnx"):
            it.recipe.models.use(name)
            assert it.recipe.models.active.calibrated == kept
        with pytest.raises(Conflict, match="changed meanwhile"):
            it.recipe.models.recalibrate(first, [1.0, 2.0], 0.3, "too late")
        assert (
            it.station.store.calibration("grey", first.fingerprint) == kept
        )  # nothing of it is in the store
