"""The station's pages as the server writes them."""

import re
from html import unescape
from pathlib import Path

import httpx2
import pytest

from blemish.station import station
from blemish.station.learning import drift, threshold
from blemish.station.records import Verdict
from blemish.station.schemas import Feedback
from tests.station.support import Running, running_station
from tests.station.web.support import cards_of, page_of

pytestmark = pytest.mark.slow
PAGES = ("/", "/inspections", "/judge", "/history", "/threshold", "/models", "/models/fit", "/models/rules")


@pytest.mark.parametrize("address", [*PAGES, "/inspections/1", "/inspections/13", "/inspections/14"])
def test_a_page_is_whole_and_brings_nothing_inline(visitor: httpx2.Client, address: str) -> None:
    text = page_of(visitor, address)
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
    assert set(re.findall(r'(?:aria-labelledby|\sfor)="([^"]+)"', text)) <= set(ids)


def test_empty_pages_say_what_to_do_also_while_the_station_is_down(tmp_path: Path) -> None:
    with running_station(tmp_path, min_free_gb=10**9) as it:
        it.client.headers["Accept"] = "text/html"
        for address, words in (
            ("/", "Nothing has been inspected yet"),
            ("/", f'curl --data-binary @part.png "{it.url}/v1/inspect?name=part.png"'),
            ("/", "Nothing is accepted"),
            ("/", 'class="pill down"'),
            ("/inspections", "Drop pictures on the"),
            ("/inspections?verdict=anomalous", "No inspection is like that"),
            ("/history", "has scored nothing yet"),
            ("/judge", "Nothing is left to judge"),
            ("/threshold", "0 images of this model were judged good"),
            ("/models/fit", "It would learn from 0 pictures judged good, as grey.onnx did."),
            ("/models/rules", "Inspect a good part with this model first."),
            ("/threshold/preview?false_alarm_rate=0.02", "has inspected nothing yet"),
        ):
            assert words in " ".join(unescape(page_of(it.client, address)).split())


def test_what_others_wrote_is_escaped(visitor: httpx2.Client, visited: Running) -> None:
    said = Feedback(feedback=Verdict.DEFECT, note="</textarea><b>note</b>")
    visited.station.store.set_feedback(13, said)
    for address in ("/", "/inspections", "/inspections/13", "/inspections?text=%22%3E%3Cb%3E"):
        text = page_of(visitor, address)
        assert "<script>alert" not in text and "<b>" not in text
    name = "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&#39;&amp;.png"
    assert name in page_of(visitor, "/inspections/13")


@pytest.mark.parametrize("address", ["/inspections/99", "/nothing", "/static/nothing.css"])
def test_what_is_not_there_has_a_page(visitor: httpx2.Client, address: str) -> None:
    assert "There is nothing here" in page_of(visitor, address, status=404)
    assert visitor.get(address, headers={"Accept": "application/json"}).json()["detail"]


def test_pieces_of_a_page_are_asked_for_when_there_is_something_new(visitor: httpx2.Client) -> None:
    assert visitor.get("/live?after=14").status_code == 204
    text = page_of(visitor, "/live?after=13")
    assert cards_of(text)[0] == 14 and "<html" not in text and 'id="counters"' in text
    text = page_of(visitor, "/condition")
    assert 'id="pill"' in text and 'id="banners"' in text and "<html" not in text


def test_scores_over_time(visitor: httpx2.Client) -> None:
    text = page_of(visitor, "/history")
    for number in range(1, 14):
        assert f'<a href="/inspections/{number}" tabindex="-1">' in text
    assert text.count('<path class="bad" d="M') == 3 + 1  # and one in the key
    assert "13 inspections by grey.onnx, 3 anomalous" in text
    assert re.search(r"Too few scored images to tell: 1\d", text)
    assert len(re.findall(r'<th scope="row">', text)) == 13
    refused = page_of(visitor, "/history?last=7", status=422)
    assert "last is one of 200, 1000, 5000, not 7; choose one." in refused


def test_a_preview_counts_and_shows(visitor: httpx2.Client) -> None:
    text = " ".join(page_of(visitor, "/threshold/preview?false_alarm_rate=0.9").split())
    assert "Of the last 13 inspections by this model" in text and len(cards_of(text)) > 3
    assert page_of(visitor, "/threshold/preview?false_alarm_rate=2", status=422)


def test_warnings_are_shown_where_they_matter(
    visitor: httpx2.Client, monkeypatch: pytest.MonkeyPatch, visited: Running
) -> None:
    drifted = drift.measure_drift(visited.recipe).model_copy(update={"message": "The scores are <higher>."})
    monkeypatch.setattr(station, "measure_drift", lambda recipe: drifted)
    visited.station.monitor.look()
    picked = threshold.evidence(visited.recipe).model_copy(update={"warning": "Picked by verdict."})
    monkeypatch.setattr(threshold, "evidence", lambda recipe: picked)
    for address in PAGES:
        assert "The scores are &lt;higher&gt;." in page_of(visitor, address)
    assert "Picked by verdict." in page_of(visitor, "/threshold")
    fingerprint = visited.recipe.models.active.fingerprint[:12]
    assert all(words in page_of(visitor, "/models") for words in ("patchcore", "in use", fingerprint))
