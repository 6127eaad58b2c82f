"""Several recipes on one station: apart in all that is said of them, together in threads and queue."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blemish.errors import ModelFileError
from blemish.images.reading import Framed
from blemish.station import pipeline, watched_folder
from blemish.station.errors import Busy
from blemish.station.learning import threshold
from blemish.station.learning.drift import measure_drift
from blemish.station.records import Filter, Source
from blemish.station.schemas import Feedback
from blemish.station.settings import Settings
from blemish.station.station import Station
from tests.station.support import (
    Running,
    bad_part,
    encoded,
    good_part,
    grey_onnx,
    put,
    running_station,
    until,
)
from tests.station.web.support import cards_of, page_of

pytestmark = pytest.mark.slow


def line(root: Path, *names: str, watched: bool = False) -> Path:
    """A file of recipes, each with a model that scores higher than the one before."""
    text = ""
    for factor, name in enumerate(names, 1):
        (root / f"{name}.onnx").write_bytes(grey_onnx(float(factor)))
        text += f'[{name}]\nmodel = "{root / name}.onnx"\n'
        if watched:
            (root / "camera" / name).mkdir(parents=True)
            text += f'watch = "{root / "camera" / name}"\n'
    (root / "line.toml").write_text(text)
    return root / "line.toml"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Running]:
    with running_station(tmp_path, recipes=line(tmp_path, "bottle", "screw"), queue_size=8) as it:
        yield it


def inspected(it: Running, recipe: str, image: bytes, **given: Any) -> dict[str, Any]:
    answer = it.client.post(f"/v1/recipes/{recipe}/inspect", content=image, **given)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_each_is_judged_listed_and_set_apart(two: Running) -> None:
    image, key = encoded(bad_part(1)), {"Idempotency-Key": "one"}
    screw = inspected(two, "screw", image, headers=key)
    bottle = inspected(two, "bottle", image, headers=key)
    assert (screw["id"], screw["recipe"], bottle["id"], bottle["recipe"]) == (1, "screw", 2, "bottle")
    assert screw["score"] == pytest.approx(2 * bottle["score"], rel=1e-5)
    default = two.inspect(bad_part(2))
    assert default["recipe"] == "bottle"
    lists = {"recipes/screw/": [1], "recipes/bottle/": [3, 2], "": [3, 2, 1]}
    for place, numbers in lists.items():
        found = two.client.get(f"/v1/{place}inspections").json()["inspections"]
        assert [one["id"] for one in found] == numbers, place
    assert [one["id"] for one in two.client.get("/v1/inspections?recipe=screw").json()["inspections"]] == [1]

    changed = two.client.put("/v1/recipes/screw/threshold", json={"false_alarm_rate": 0.2})
    assert changed.status_code == 200
    states = two.client.get("/v1/recipes").json()
    assert [state["recipe"] for state in states] == ["bottle", "screw"]
    thresholds = [state["threshold"] for state in states]
    assert thresholds[1] == changed.json()["threshold"] != thresholds[0]
    assert [len(two.station.recipes[name].changes(9)) for name in ("bottle", "screw")] == [2, 3]
    assert states[1]["since"] == two.station.recipes["screw"].changes(1)[0].model_dump(mode="json")["at"]
    assert [measure_drift(recipe).count for recipe in two.station.recipes.values()] == [2, 1]
    answer = two.client.get("/v1/recipes/nut/inspections")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is no recipe 'nut'; GET /v1/recipes lists them."


def test_each_has_pages_of_its_own(two: Running) -> None:
    for seed, name in enumerate(("bottle", "screw", "screw")):
        inspected(two, name, encoded(good_part(seed)))
    two.client.headers["Accept"] = "text/html"
    for name, numbers in (("bottle", [1]), ("screw", [3, 2])):
        at = f"/recipes/{name}"
        live = page_of(two.client, f"{at}/")
        assert cards_of(live) == numbers and f"<strong>{name}</strong>: {name}.onnx" in live
        assert f'data-at="{at}"' in live and f'href="{at}/threshold"' in live
        assert cards_of(page_of(two.client, f"/inspections?recipe={name}")) == numbers
        assert cards_of(two.client.get(f"{at}/live").text) == numbers
        assert f"by {name}.onnx" in page_of(two.client, f"{at}/history")
        assert f"In force for {name}.onnx" in page_of(two.client, f"{at}/threshold")
        assert f"{name}.onnx" in page_of(two.client, f"{at}/models")
        page_of(two.client, f"{at}/models/rules")
    assert cards_of(page_of(two.client, "/inspections")) == [3, 2, 1]
    assert cards_of(page_of(two.client, "/")) == [1]
    assert 'href="/recipes/screw/history"' in page_of(two.client, "/inspections/2")
    assert two.client.get("/recipes/nut/").status_code == 404
    assert two.client.get("/recipes/screw/live?after=3").status_code == 204


def test_the_same_model_in_two_recipes_learns_apart(tmp_path: Path) -> None:
    text = "".join(f'[{name}]\nmodel = "{tmp_path}/grey.onnx"\n' for name in ("left", "right"))
    (tmp_path / "line.toml").write_text(text)
    (tmp_path / "grey.onnx").write_bytes(grey_onnx())
    image = encoded(good_part(1))
    for _ in range(2):
        with running_station(tmp_path, recipes=tmp_path / "line.toml") as it:
            left, right = it.station.recipes.values()
            if left.models.active.calibrated.false_alarm_rate != 0.2:
                number = inspected(it, "right", image)["id"]
                it.station.store.set_feedback(number, Feedback(feedback="good"))
                threshold.set_rate(left, 0.2)
            assert right.models.active.calibrated.false_alarm_rate == 0.02
            assert left.models.active.calibrated.false_alarm_rate == 0.2
            assert [threshold.evidence(one).confirmed_good for one in (left, right)] == [0, 1]
            archives = [
                it.client.get(f"/v1/recipes/{name}/dataset.zip").content for name in ("left", "right")
            ]
            assert [image in archive for archive in archives] == [False, True]


def test_a_flood_of_one_leaves_the_others_their_part_of_the_queue(
    two: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    bottle, screw = two.station.recipes.values()
    held, detector = threading.Event(), screw.models.active.detector
    score = detector.score_framed
    monkeypatch.setattr(detector, "score_framed", lambda images: (held.wait(30), score(images))[1])
    submit, image = two.station.pipeline.submit, encoded(good_part(1))
    flood = [submit(screw, image, source=Source.API, name="") for _ in range(4)]
    with pytest.raises(Busy, match="4 images are waiting already"):
        submit(screw, image, source=Source.API, name="")
    assert two.client.get("/v1/ready").status_code == 503
    others = [submit(bottle, image, source=Source.API, name="") for _ in range(4)]
    held.set()
    assert {one.result(30).recipe for one in flood} == {"screw"}
    assert {one.result(30).recipe for one in others} == {"bottle"}


def test_numbers_follow_the_arrival_whatever_takes_longer(
    two: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, released = pipeline.frame_upload, threading.Event()

    def slow_for_the_first(data: bytes, title: str, *given: Any) -> tuple[Framed, str]:
        if title == "first.png":
            released.wait(30)
        return frame(data, title, *given)

    monkeypatch.setattr(pipeline, "frame_upload", slow_for_the_first)
    submit, (bottle, screw) = two.station.pipeline.submit, two.station.recipes.values()
    futures = [
        submit(bottle, encoded(good_part(seed)), source=Source.API, name=f"{name}.png")
        for seed, name in enumerate(("first", "second", "third"))
    ]
    broken = submit(bottle, b"garbage", source=Source.WATCH, name="broken.png", keep_failed=True)
    assert submit(screw, encoded(good_part(9)), source=Source.API, name="").result(30).id == 1
    time.sleep(0.2)
    assert not any(future.done() for future in [*futures, broken])
    released.set()
    kept = [future.result(30) for future in [*futures, broken]]
    assert [one.id for one in kept] == [2, 3, 4, 5]
    assert [one.received for one in kept] == sorted(one.received for one in kept)


def test_folders_that_hold_the_same_files_are_inspected_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_folder, "SECONDS", 0.02)
    recipes, age = line(tmp_path, "bottle", "screw", watched=True), 10
    with running_station(tmp_path, recipes=recipes, settle=0.05) as it:
        first = put(tmp_path / "camera" / "bottle" / "a.png", encoded(bad_part(1)), age)
        put(tmp_path / "camera" / "screw" / "a.png", first.read_bytes(), age)
        until(lambda: it.station.store.count(Filter()) == 2, 30)
        assert {one.recipe for one in it.station.store.select(Filter(), limit=9)} == {"bottle", "screw"}


def test_drift_is_announced_by_the_state_of_the_station(two: Running) -> None:
    def state() -> tuple[str, str]:
        two.station.monitor.look()
        text = page_of(two.client, "/")
        return two.client.get("/v1/health").json()["status"], " ".join(text.split("<summary>")[1].split())

    two.client.headers["Accept"] = "text/html"
    assert state()[0] == "ok" and "Running</summary>" in state()[1]
    for seed in range(40):
        inspected(two, "screw", encoded(bad_part(seed)))
    status, text = state()
    assert status == "degraded" and "Drift announced</summary>" in text
    parts = {part["name"]: part["message"] for part in two.client.get("/v1/health").json()["parts"]}
    assert (
        parts["drift of screw"].startswith("The last 40 scores are higher") and not parts["drift of bottle"]
    )
    assert "Scores of screw have drifted" in text
    two.station.recipes["bottle"].trouble = "It cannot score."
    assert "Needs attention</summary>" in state()[1]


def test_a_recipe_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    recipes = line(tmp_path, "bottle", "screw")
    (tmp_path / "screw.onnx").write_bytes(b"garbage")
    with pytest.raises(ModelFileError, match=r"line\.toml: \[screw\] model: .*damaged or no ONNX model"):
        Station(Settings(recipes=recipes, folder=tmp_path / "station"))
