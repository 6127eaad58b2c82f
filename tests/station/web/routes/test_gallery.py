"""The gallery, narrowed by its form, and the page of one inspection among others."""

import re
from html import unescape

import httpx2
import pytest

from blemish.station.web.routes import gallery
from tests.station.support import Running
from tests.station.web.support import cards_of, page_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("verdict=anomalous", [13, 12, 11]),
        ("verdict=failed", [14]),
        ("verdict=good&text=GOOD+3", [4]),
        ("source=watch", [14]),
        ("since=2100-01-01T00:00", []),
        ("until=2100-01-01&verdict=failed", [14]),
        ("min_score=0.2", [13, 12, 11]),
        ("max_score=0.0001", []),
        ("model=0000", []),
        ("verdict=&feedback=", list(range(14, 0, -1))),
    ],
)
def test_the_gallery_is_narrowed(visitor: httpx2.Client, query: str, expected: list[int]) -> None:
    text = page_of(visitor, f"/inspections?{query}")
    assert cards_of(text) == expected
    words = "1 inspection" if len(expected) == 1 else f"{len(expected)} inspections"
    assert not expected or f'role="status">{words}</p>' in text


def test_the_gallery_keeps_what_was_asked_for(visitor: httpx2.Client) -> None:
    query = "verdict=good&text=good+3&min_score=0.01&since=2020-01-01T10%3A00"
    text = unescape(page_of(visitor, f"/inspections?{query}"))
    assert '<option value="good" selected>good</option>' in text and f"/inspections/4?{query}" in text
    assert 'value="good 3"' in text and 'value="0.01"' in text and 'value="2020-01-01T10:00"' in text
    assert {"verdict", "feedback", "text", "lot", "serial", "since", "until"} <= set(
        re.findall(r' name="(\w+)"', text)
    )


IMPOSSIBLE = "verdict=ugly feedback=maybe source=mail min_score=a+lot max_score=nan model=%25b image=ab"
TOO_MUCH = ["until=0001-01-01T00:00%2B23:00", f"model={65 * 'a'}", f"text={256 * 'x'}"]


@pytest.mark.parametrize("query", [*IMPOSSIBLE.split(), "since=yesterday", *TOO_MUCH])
def test_a_wish_that_cannot_be_is_a_sentence(visitor: httpx2.Client, query: str) -> None:
    text = unescape(page_of(visitor, f"/inspections?{query}", status=422))
    assert f"{query.partition('=')[0]} cannot be used: " in text and not cards_of(text)


def test_paging_goes_to_and_fro(visitor: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "PER_PAGE", 4)

    def link(text: str, way: str) -> str:
        found = re.search(rf'rel="{way}" href="([^"]+)"', text)
        return unescape(found[1]) if found else ""

    address, seen = "/inspections?verdict=good", []
    while address:
        text = page_of(visitor, address)
        seen.append(cards_of(text))
        address = link(text, "next")
    assert seen == [[10, 9, 8, 7], [6, 5, 4, 3], [2, 1]]
    assert cards_of(page_of(visitor, link(text, "prev"))) == [6, 5, 4, 3]
    assert not link(page_of(visitor, "/inspections?verdict=good"), "prev")
    assert cards_of(page_of(visitor, "/inspections?verdict=good&after=8")) == [10, 9, 8, 7]  # a whole page


@pytest.mark.parametrize(
    ("query", "number", "previous", "next"),
    [
        ("verdict=anomalous", 13, None, 12),
        ("verdict=anomalous", 12, 13, 11),
        ("verdict=anomalous", 11, 12, None),
        ("review=7,2,9", 7, None, 2),
        ("review=7,2,9", 2, 7, 9),
        ("review=7,2,9", 9, 2, "/judge"),
        ("review=7,2,9", 5, None, 2),
    ],
)
def test_neighbours_are_those_of_the_gallery_or_of_the_review(
    visitor: httpx2.Client, query: str, number: int, previous: int | None, next: int | str | None
) -> None:
    text = unescape(page_of(visitor, f"/inspections/{number}?{query}"))
    for name, other in (("previous", previous), ("next", next)):
        expected = [f"/inspections/{other}?{query}"] if isinstance(other, int) else [other] if other else []
        assert re.findall(rf'id="{name}"[^>]* href="([^"]+)"', text) == expected
    among = "/judge" if query.startswith("review") else f"/inspections?{query}"
    assert f'href="{among}">All</a>' in text


def test_an_inspection_tells_what_is_known(visitor: httpx2.Client, visited: Running) -> None:
    good, bad = (" ".join(unescape(page_of(visitor, f"/inspections/{number}")).split()) for number in (3, 12))
    for words in (
        "None of the 199 good calibration images looks this unusual",
        f"grey.onnx <code>{visited.recipe.models.active.fingerprint[:12]}</code>",
        "64 x 64 pixels",
        "image/png",
        'href="/v1/inspections/12/map.npy"',
    ):
        assert words in bad
    assert re.search(rf'data-colours="[0-9a-f]{{{256 * 6}}}"', bad)
    bar = r'class="{}"[^>]* (?:width|x1)="([\d.]+)"'
    for text, anomalous in ((good, False), (bad, True)):
        reach, limit = (float(re.search(bar.format(name), text)[1]) for name in ("reach", "limit"))
        assert (reach > limit) == anomalous and 0 <= reach <= 200


def test_a_failed_image_shows_its_error(visitor: httpx2.Client) -> None:
    text = page_of(visitor, "/inspections/14")
    assert "broken.png is truncated or damaged; copy or export it again." in text
    assert "<canvas" not in text and "map.npy" not in text and "thumbnail" not in text
    assert "broken.png is truncated" in page_of(visitor, "/")
