"""The API as a controller uses it: over HTTP, with a real model, store and folder."""

import csv
import errno
import io
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from unittest.mock import Mock

import httpx2
import numpy as np
import pytest
from starlette.datastructures import UploadFile

from blemish.inference.detector import Detector
from blemish.station.errors import Unavailable
from blemish.station.records import Source
from blemish.station.storage import store
from tests.station.support import Running, bad_part, encoded, good_part, running_station

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A station that takes small images alone, once with each database."""
    settings = {"max_upload": 300_000, "max_pixels": 40_000, "store": new_database()}
    with running_station(tmp_path_factory.mktemp("station"), **settings) as it:
        yield it


def test_a_verdict_is_that_of_the_detector(running: Running) -> None:
    detector = Detector.load(running.station.settings.model)
    for image, anomalous in ((good_part(1), False), (bad_part(2), True)):
        told = running.inspect(image, name="part 7.png")
        expected = detector.predict(image)
        assert told["score"] == expected.score and told["p_value"] == expected.p_value
        assert told["is_anomalous"] == expected.is_anomalous == anomalous
        assert told["threshold"] == np.float32(detector.calibration.threshold)
        assert told["false_alarm_rate"] == detector.calibration.effective_rate
        assert told["model"] == running.recipe.models.active.fingerprint
        assert (told["name"], told["source"]) == ("part 7.png", "api")
        assert (told["width"], told["height"], told["image_type"]) == (64, 64, "image/png")
        assert running.client.get(f"/v1/inspections/{told['id']}").json() == told


def test_several_images_in_one_form_each_have_an_answer(running: Running) -> None:
    files = [
        ("images", ("a.png", encoded(good_part(4)), "image/png")),
        ("images", ("b.png", b"no image", "image/png")),
        ("images", ("c.png", encoded(bad_part(5)), "text/plain")),
    ]
    answer = running.client.post("/v1/inspections", files=files, headers={"X-Blemish-Source": "page"})
    assert answer.status_code == 201
    first, second, third = answer.json()["results"]
    assert first["inspection"]["is_anomalous"] is False and first["inspection"]["source"] == "page"
    assert second["inspection"] is None and second["error"].startswith("b.png is not a PNG, JPEG")
    assert third["inspection"]["is_anomalous"] is True and third["name"] == "c.png"
    many = running.client.post("/v1/inspections", files=[files[1]] * 65)
    assert (many.status_code, many.json()["detail"]) == (413, "65 images came at once; send at most 64.")


def test_lots_and_serial_numbers_are_kept_found_and_listed(running: Running) -> None:
    client, name = running.client, "=1+1, a.png"
    running.inspect(good_part(20), name=name, lot="L 1", serial="1")
    files = [("images", (f"{number}.png", encoded(bad_part(number)))) for number in (21, 22)]
    answer = client.post("/v1/inspections", files=files, data={"lot": "L 1", "serial": ["2", "3"]})
    assert [one["inspection"]["serial"] for one in answer.json()["results"]] == ["2", "3"]
    few = client.post("/v1/inspections", files=files, data={"serial": "4"})
    assert few.json()["detail"] == "There are 2 images and 1 serial; send one for each image, or none."
    (found,) = client.get("/v1/inspections", params={"lot": "L 1", "serial": "2"}).json()["inspections"]
    assert (found["name"], found["lot"]) == ("21.png", "L 1")
    table = client.get("/v1/inspections.csv", params={"lot": "L 1"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = {row["serial"]: row for row in csv.DictReader(io.StringIO(table.text, newline=""))}
    assert [rows[serial]["outcome"] for serial in "123"] == ["good", "anomalous", "anomalous"]
    assert rows["1"]["name"] == f"'{name}" and rows["2"]["received"] == found["received"]
    assert float(rows["2"]["score"]) == found["score"]
    page = client.get("/inspections", params={"lot": "L 1", "verdict": "good", "since": "", "text": ""})
    (address,) = re.findall(r'href="(/v1/inspections\.csv[^"]+)"', page.text)
    assert client.get(unescape(address)).text.splitlines()[1:] == table.text.splitlines()[3:]
    assert client.get("/v1/inspections.csv?lot=none").text == table.text.splitlines(keepends=True)[0]


def test_a_list_without_end_is_read_bit_by_bit(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "AT_ONCE", 2)
    running.inspect(good_part(24))
    numbers = [one["id"] for one in running.client.get("/v1/inspections?limit=200").json()["inspections"]]
    with running.client.stream("GET", "/v1/inspections.csv") as answer:
        rows = list(answer.iter_lines())[1:]
    assert [int(row.split(",")[0]) for row in rows] == numbers and len(rows) > 4
    gone = Mock(side_effect=Unavailable("The database is gone."))
    monkeypatch.setattr(running.station.store, "select", gone)
    answer = running.client.get("/v1/inspections.csv")
    assert (answer.status_code, answer.json()["detail"]) == (503, "The database is gone.")


def test_the_same_key_is_inspected_once(running: Running) -> None:
    def send(seed: int) -> httpx2.Response:
        headers = {"Idempotency-Key": "part-0815"}
        return running.client.post("/v1/inspect", content=encoded(good_part(seed)), headers=headers)

    def send_several(*seeds: int) -> list[dict]:
        images = [("images", (f"{seed}.png", encoded(good_part(seed)))) for seed in seeds]
        headers = {"Idempotency-Key": "three parts"}
        return running.client.post("/v1/inspections", files=images, headers=headers).json()["results"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, [6] * 16))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    other, conflict = send(7), "This key came with another image before; give each image its own."
    assert (other.status_code, other.json()["detail"]) == (409, conflict)
    first = send_several(701, 702, 703)
    assert send_several(701, 702, 703) == first and len({one["inspection"]["id"] for one in first}) == 3
    changed = send_several(701, 702, 799)
    assert changed[:2] == first[:2] and changed[2]["error"] == conflict


def test_many_at_once_are_scored_in_batches_with_unchanged_scores(running: Running) -> None:
    detector = Detector.load(running.station.settings.model)
    images = [good_part(seed) for seed in range(100, 140)]
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(running.inspect, images))
    for one, image in zip(told, images, strict=True):
        assert one["score"] == pytest.approx(detector.predict(image).score, rel=1e-5)
    assert running.figure("batch_images_sum") > running.figure("batch_images_count")  # some shared a batch


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 422, "The image is empty; copy or export it again."),
        (b"hello", 422, "The image is not a PNG, JPEG, BMP, TIFF or WebP image; convert it to one."),
        (encoded(good_part(8))[:900], 422, "The image is truncated or damaged; copy or export it again."),
        (encoded(good_part(8, size=8)), 422, "The image is 8 x 8 pixels, smaller than"),
        (encoded(good_part(8, size=256)), 422, "The image has more than 0.04 million pixels;"),
        (bytes(300_001), 413, "300000"),
        (b"\xff\xd8" + 201 * b"\xff\xda", 422, "The image has more than 200 JPEG scans; save it anew."),
    ],
)
def test_what_is_no_image_is_refused(running: Running, body: bytes, status: int, sentence: str) -> None:
    before = running.client.get("/v1/inspections", params={"limit": 1}).json()
    answer = running.client.post("/v1/inspect", content=body)
    assert answer.status_code == status and sentence in answer.json()["detail"]
    assert running.client.get("/v1/inspections", params={"limit": 1}).json() == before


def test_lists_are_filtered_and_paged(running: Running) -> None:
    begin = datetime.now(UTC)
    parts = [(seed, good_part(seed) if seed % 3 else bad_part(seed)) for seed in range(200, 212)]
    made = [running.inspect(image, name=f"list {seed}") for seed, image in parts]

    def listed(**query: Any) -> dict[str, Any]:
        query = {"since": begin.isoformat(), "text": "LIST 2"} | query
        return running.client.get("/v1/inspections", params=query).json()

    page = listed(limit=5)
    seen = page["inspections"]
    while page["next"] is not None:
        page = listed(limit=5, before=page["next"])
        seen += page["inspections"]
    assert seen == made[::-1]
    bad = listed(anomalous="true")["inspections"]
    assert [one["name"] for one in bad] == ["list 210", "list 207", "list 204", "list 201"]
    newer = listed(after=made[3]["id"], limit=2)["inspections"]
    assert [one["id"] for one in newer] == [made[5]["id"], made[4]["id"]]
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert listed(since=later) == listed(text="\0") == {"inspections": [], "next": None}


def test_feedback_is_kept_and_can_be_taken_back(running: Running) -> None:
    number = running.inspect(bad_part(9))["id"]

    def say(**said: Any) -> dict[str, Any]:
        headers, place = {"Content-Type": "application/json"}, f"/v1/inspections/{number}/feedback"
        return running.client.put(place, content=json.dumps(said), headers=headers).json()

    told = say(feedback="good", note="only dust")
    assert (told["feedback"], told["note"]) == ("good", "only dust") and told["feedback_at"]
    (judged,) = running.client.get("/v1/inspections?feedback=good").json()["inspections"]
    assert judged["id"] == number
    dusty = say(note="dust \0 \ud800")  # as any database takes it
    assert (dusty["feedback"], dusty["note"]) == ("good", "dust \ufffd \ufffd")
    assert dusty["feedback_at"] == told["feedback_at"]
    cleared = say(feedback=None)
    assert (cleared["feedback"], cleared["note"]) == (None, dusty["note"])
    assert "feedback cannot be used" in say(feedback="perhaps")["detail"]
    assert say(feedback="defect", defect_kind=" scratch ")["defect_kind"] == "scratch"
    assert say(feedback="defect")["defect_kind"] == say(note="long")["defect_kind"] == "scratch"
    assert running.station.store.defect_kinds() == ["scratch"]
    assert len(running.client.get("/v1/inspections?defect_kind=scratch").json()["inspections"]) == 1
    assert "goes with" in say(defect_kind="dent")["detail"] == say(feedback="good", defect_kind="x")["detail"]
    assert say(feedback="good")["defect_kind"] == "" == say(feedback="defect")["defect_kind"]
    missing = running.client.put("/v1/inspections/999999/feedback", json={"feedback": "good"})
    assert missing.status_code == 404


def test_an_upload_without_room_may_be_sent_again(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Mock(side_effect=OSError(errno.ENOSPC, "No space left on device"))
    monkeypatch.setattr(UploadFile, "write", full)
    answer = running.client.post("/v1/inspections", files=[("images", ("a.png", bytes(100)))])
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
    assert "cannot be put aside (No space left on device)" in answer.json()["detail"]


def test_names_may_hold_anything(running: Running) -> None:
    name = "<b>µ\x00\r\n\udcff" + 300 * "x"
    future = running.station.pipeline.submit(
        running.recipe, encoded(good_part(11)), source=Source.WATCH, name=name
    )
    told = running.client.get(f"/v1/inspections/{future.result(timeout=30).id}").json()
    assert told["name"].startswith("<b>µ\ufffd\r\n\ufffdxxx") and len(told["name"]) == 255
