"""The station's pages as the server writes them."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import httpx2
import numpy as np
import pytest

from blemish.station.learning import drift, threshold
from blemish.station.records import NewInspection, Source, Verdict
from blemish.station.web import pages
from tests.station.station import Running, bad_part, good_part, png, running_station

PAGES = ("/", "/inspections", "/history", "/threshold", "/models")
NASTY = '<script>alert("x")</script>\'&.png'
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A station that has seen nothing."""
    with running_station(tmp_path_factory.mktemp("empty")) as it, client_of(it) as client:
        yield client


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A station that has seen ten good parts, two bad ones, one with a bad name, and a broken file."""
    with running_station(tmp_path_factory.mktemp("station")) as it:
        with client_of(it) as client:
            for number in range(10):
                inspect(client, good_part(number), f"good {number}.png")
            for number in range(2):
                inspect(client, bad_part(50 + number), f"bad {number}.png")
            inspect(client, bad_part(60), NASTY)
        it.station.store.add([broken_file()])
        yield it


@pytest.fixture
def client(running: Running) -> Iterator[httpx2.Client]:
    with client_of(running) as it:
        yield it


def client_of(running: Running) -> httpx2.Client:
    return httpx2.Client(base_url=running.url, timeout=30, headers=HTML)


def inspect(client: httpx2.Client, image: np.ndarray, name: str) -> int:
    answer = client.post("/v1/inspect", content=png(image), params={"name": name})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def broken_file() -> NewInspection:
    return NewInspection(
        received=datetime.now(UTC),
        source=Source.WATCH,
        name="broken.png",
        image=None,
        image_bytes=7,
        image_type="application/octet-stream",
        width=0,
        height=0,
        error="broken.png is truncated or damaged; copy or export it again.",
    )


def page(client: httpx2.Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def shown(text: str) -> list[int]:
    """Numbers of the inspections whose cards are on a page, in their order."""
    return [int(number) for number in re.findall(r'<a class="card" href="/inspections/(\d+)', text)]


@pytest.mark.parametrize("address", [*PAGES, "/inspections/1", "/inspections/13", "/inspections/14"])
def test_a_page_is_whole_and_brings_nothing_inline(client: httpx2.Client, address: str) -> None:
    text = page(client, address)
    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert re.search(r"<title>\S.* - Blemish</title>", text)
    assert text.count("<h1") == 1
    assert text.count('<main id="main"') == 1 and 'href="#main"' in text
    assert len(re.findall(r'aria-current="page"', text)) == 1
    assert re.search(r'<details id="pill" class="pill ok">', text)
    assert not re.search(r"<script(?![^>]* src=\"/static/)|<style|\sstyle=|\son\w+=", text)
    assert set(re.findall(r"https?://[^\"\s<]+", text)) <= {"http://www.w3.org/2000/svg"}
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    for reference in re.findall(r'(?:aria-labelledby|\sfor)="([^"]+)"', text):
        assert reference in ids


def test_empty_pages_say_what_to_do(empty: httpx2.Client) -> None:
    live = page(empty, "/")
    assert "Nothing has been inspected yet" in live
    assert (
        f'curl --data-binary @part.png "{str(empty.base_url).rstrip("/")}/v1/inspect?name=part.png"'
        in unescape(live)
    )
    assert "Drop pictures on the" in page(empty, "/inspections")
    assert "No inspection is like that" in page(empty, "/inspections?verdict=anomalous")
    assert "has scored nothing yet" in page(empty, "/history")
    assert "has inspected nothing yet" in page(empty, "/threshold/preview?false_alarm_rate=0.02")
    assert "0 images of this model were judged good" in " ".join(page(empty, "/threshold").split())


def test_what_others_wrote_is_escaped(client: httpx2.Client, running: Running) -> None:
    running.station.store.set_feedback(13, feedback=Verdict.DEFECT, note="</textarea><b>note</b>")
    for address in ("/", "/inspections", "/inspections/13", "/inspections?text=%22%3E%3Cb%3E"):
        text = page(client, address)
        assert "<script>alert" not in text and "<b>" not in text
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&#39;&amp;.png" in page(client, "/inspections/13")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("verdict=anomalous", [13, 12, 11]),
        ("verdict=failed", [14]),
        ("verdict=good&text=GOOD+3", [4]),
        ("source=watch", [14]),
        ("since=2100-01-01T00:00", []),
        ("until=2100-01-01&verdict=failed", [14]),
        ("least=0.2", [13, 12, 11]),
        ("most=0.0001", []),
        ("model=0000", []),
        ("verdict=&judged=", list(range(14, 0, -1))),
    ],
)
def test_the_gallery_is_narrowed(client: httpx2.Client, query: str, expected: list[int]) -> None:
    text = page(client, f"/inspections?{query}")
    assert shown(text) == expected
    if expected:
        words = "1 inspection" if len(expected) == 1 else f"{len(expected)} inspections"
        assert f'role="status">{words}</p>' in text


def test_the_gallery_keeps_what_was_asked_for(client: httpx2.Client) -> None:
    text = page(client, "/inspections?verdict=good&text=good+3&least=0.01&since=2020-01-01T10:00")
    assert '<option value="good" selected>good</option>' in text
    assert 'value="good 3"' in text and 'value="0.01"' in text and 'value="2020-01-01T10:00"' in text
    assert "/inspections/4?verdict=good&amp;since=2020-01-01T10%3A00&amp;least=0.01&amp;text=good+3" in text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("verdict=ugly", "verdict is one of good, anomalous, failed, not 'ugly'; choose one."),
        ("judged=maybe", "judged is one of none, any, good, defect, not 'maybe'; choose one."),
        ("source=mail", "source is one of api, page, watch, not 'mail'; choose one."),
        ("since=yesterday", "since is a date and time such as 2026-03-31T14:00, not 'yesterday'."),
        ("until=0001-01-01T00:00%2B23:00", "until is a date and time"),
        ("least=a+lot", "score from is a number, not 'a lot'."),
        ("most=nan", "score to is a number, not 'nan'."),
        ("model=%25b", "model is a fingerprint or its first digits, not '%b'."),
    ],
)
def test_a_wish_that_cannot_be_is_a_sentence(client: httpx2.Client, query: str, sentence: str) -> None:
    text = unescape(page(client, f"/inspections?{query}", status=422))
    assert sentence in text and not shown(text)


def test_paging_goes_to_and_fro(client: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PER_PAGE", 4)
    address, seen = "/inspections?verdict=good", []
    while True:
        text = page(client, address)
        seen.append(shown(text))
        older = re.search(r'rel="next" href="([^"]+)"', text)
        if older is None:
            break
        address = unescape(older[1])
    assert seen == [[10, 9, 8, 7], [6, 5, 4, 3], [2, 1]]
    newer = re.search(r'rel="prev" href="([^"]+)"', text)
    assert newer is not None
    assert shown(page(client, unescape(newer[1]))) == [6, 5, 4, 3]
    assert 'rel="prev"' not in page(client, "/inspections?verdict=good")


def test_neighbours_are_those_of_the_gallery(client: httpx2.Client) -> None:
    text = unescape(page(client, "/inspections/12?verdict=anomalous"))
    assert 'id="previous" class="button" rel="prev" href="/inspections/13?verdict=anomalous"' in text
    assert 'id="next" class="button" rel="next" href="/inspections/11?verdict=anomalous"' in text
    assert 'href="/inspections?verdict=anomalous">All</a>' in text
    assert 'id="next"' not in page(client, "/inspections/11?verdict=anomalous")


def test_a_review_has_its_own_order(client: httpx2.Client) -> None:
    first, middle, last = (unescape(page(client, f"/inspections/{n}?review=7,2,9")) for n in (7, 2, 9))
    assert 'id="previous"' not in first and 'href="/inspections/2?review=7,2,9"' in first
    assert 'href="/inspections/7?review=7,2,9"' in middle and 'href="/inspections/9?review=7,2,9"' in middle
    assert 'href="/inspections/2?review=7,2,9"' in last and 'id="next"' not in last
    outside = unescape(page(client, "/inspections/5?review=7,2,9"))
    assert 'id="previous"' not in outside and 'id="next"' not in outside


def test_an_inspection_tells_what_is_known(client: httpx2.Client, running: Running) -> None:
    text = " ".join(unescape(page(client, "/inspections/12")).split())
    fingerprint = running.station.shelf.active.fingerprint
    assert "None of the 199 good calibration images looks this unusual" in text
    assert f"grey.onnx <code>{fingerprint[:12]}</code>" in text
    assert "64 x 64 pixels" in text and "image/png" in text
    assert 'href="/v1/inspections/12/map.npy"' in text
    colours = re.search(r'data-colours="([0-9a-f]+)"', text)
    assert colours is not None and len(colours[1]) == 256 * 6


def test_the_score_bar_passes_its_limit_when_anomalous(client: httpx2.Client) -> None:
    for number, anomalous in ((3, False), (12, True)):
        text = page(client, f"/inspections/{number}")
        reach, limit = (
            float(re.search(rf'class="{name}"[^>]* (?:width|x1)="([\d.]+)"', text)[1])
            for name in ("reach", "limit")
        )
        assert (reach > limit) == anomalous and 0 <= reach <= 200


def test_a_failed_image_shows_its_error(client: httpx2.Client) -> None:
    text = page(client, "/inspections/14")
    assert "broken.png is truncated or damaged; copy or export it again." in text
    assert "<canvas" not in text and "map.npy" not in text and "thumbnail" not in text
    assert "broken.png is truncated" in page(client, "/")


@pytest.mark.parametrize("address", ["/inspections/99", "/nothing", "/static/nothing.css"])
def test_what_is_not_there_has_a_page(client: httpx2.Client, address: str) -> None:
    text = page(client, address, status=404)
    assert "There is nothing here" in text
    assert client.get(address, headers={"Accept": "application/json"}).json()["detail"]


def test_the_live_page_asks_only_for_what_is_new(client: httpx2.Client) -> None:
    assert client.get("/live?after=14").status_code == 204
    text = page(client, "/live?after=13")
    assert shown(text)[0] == 14
    assert "<html" not in text and 'id="counters"' in text


def test_the_condition_is_a_piece(client: httpx2.Client) -> None:
    text = page(client, "/condition")
    assert 'id="pill"' in text and 'id="banners"' in text and "<html" not in text


def test_scores_over_time(client: httpx2.Client) -> None:
    text = page(client, "/history")
    for number in range(1, 14):
        assert f'<a href="/inspections/{number}" tabindex="-1">' in text
    assert text.count('<path class="bad" d="M') == 3 + 1  # and one in the key
    assert "13 inspections by grey.onnx, 3 anomalous" in text
    assert re.search(r"Too few scored images to tell: 1\d", text)
    assert len(re.findall(r'<th scope="row">', text)) == 13
    assert "last is one of 200, 1000, 5000, not 7; choose one." in page(client, "/history?last=7", status=422)


def test_a_preview_counts_and_shows(client: httpx2.Client) -> None:
    text = " ".join(page(client, "/threshold/preview?false_alarm_rate=0.9").split())
    assert "Of the last 13 inspections by this model" in text
    assert len(shown(text)) > 3
    assert page(client, "/threshold/preview?false_alarm_rate=2", status=422)


def test_models(client: httpx2.Client, running: Running) -> None:
    text = page(client, "/models")
    assert "grey.onnx" in text and "patchcore" in text and "in use" in text
    assert running.station.shelf.active.fingerprint[:12] in text
    assert 'data-do="use"' not in text


def test_warnings_are_shown_where_they_matter(
    client: httpx2.Client, monkeypatch: pytest.MonkeyPatch, running: Running
) -> None:
    drifted = drift.drift(running.station).model_copy(update={"message": "The scores are <higher>."})
    monkeypatch.setattr(drift, "drift", lambda station: drifted)
    picked = threshold.evidence(running.station).model_copy(update={"warning": "Picked by verdict."})
    monkeypatch.setattr(threshold, "evidence", lambda station: picked)
    for address in PAGES:
        assert "The scores are &lt;higher&gt;." in page(client, address)
    assert "Picked by verdict." in page(client, "/threshold")


def test_a_station_that_is_down_still_shows_pages(tmp_path: Path) -> None:
    with running_station(tmp_path, min_free_gb=10**9) as it, client_of(it) as client:
        it.station.look()
        text = page(client, "/")
        assert 'class="pill down"' in text and "Nothing is accepted" in text
        assert page(client, "/nothing", status=404)
