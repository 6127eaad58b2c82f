"""Judging one after another, and fitting from that, in a real browser."""

import httpx2
import pytest

from blemish.station.learning.to_judge import to_judge
from tests.browser import needs_browser
from tests.station.support import Running
from tests.station.web.support import follow

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = [needs_browser, pytest.mark.slow]


def judged(browsed: Running, number: int) -> tuple[str | None, str]:
    told = httpx2.get(f"{browsed.url}/v1/inspections/{number}").json()
    return told["feedback"], told["defect_kind"]


def test_a_review_goes_on_by_itself_past_what_is_judged(page: "sync_api.Page", browsed: Running) -> None:
    page.goto("/inspections/2?review=2,5,8,11")
    expect(page.get_by_label("Go on to the next")).to_be_checked()
    httpx2.put(f"{browsed.url}/v1/inspections/5/feedback", json={"feedback": "good"})
    page.reload()
    page.locator("body").press("d")
    page.wait_for_url("**/inspections/8?review=2,5,8,11")
    page.locator("body").press("k")
    page.keyboard.type("scratch, gd")
    page.keyboard.press("Enter")
    page.wait_for_url("**/inspections/11?review=2,5,8,11")
    assert page.locator("#kinds option").get_attribute("value") == "scratch, gd"
    page.locator("body").press("p")
    page.wait_for_url("**/inspections/8?review=2,5,8,11")
    expect(page.locator("#said")).to_contain_text("Judged a defect: scratch, gd")
    page.get_by_label("Go on to the next").uncheck()
    page.locator("body").press("g")
    expect(page.locator("#said")).to_contain_text("Judged good")
    assert [judged(browsed, number) for number in (2, 8, 11)] == [("defect", ""), ("good", ""), (None, "")]


def test_a_slip_can_be_mended_while_judging_one_by_one(page: "sync_api.Page", browsed: Running) -> None:
    page.goto("/inspections?feedback=none")
    follow(page.get_by_role("link", name="Judge them one by one"))
    first = page.url
    page.get_by_label("Go on to the next").check()
    page.locator("body").press("g")
    page.wait_for_url(lambda address: address != first)
    while page.url != first:  # back over others that were judged before
        address = page.url
        page.locator("body").press("p")
        page.wait_for_url(lambda now, left=address: now != left)
    page.locator("body").press("d")
    page.wait_for_url(lambda address: address != first)
    assert judged(browsed, int(first.rpartition("/")[2].partition("?")[0]))[0] == "defect"


def test_the_queue_is_walked_by_keys_to_its_end(page: "sync_api.Page", browsed: Running) -> None:
    waiting = {number for of in to_judge(browsed.recipe).values() for number in of}
    assert len(waiting) > 5
    page.goto("/judge")
    page.locator("body").press("Enter")  # on the button that has the focus
    for _ in waiting:
        page.wait_for_url("**/inspections/*?review=*")
        before = page.url
        page.locator("body").press("g")
        page.wait_for_url(lambda address, left=before: address != left)
    page.wait_for_url("**/judge")
    expect(page.locator("main")).to_contain_text("Nothing is left to judge")
    assert {judged(browsed, number)[0] for number in waiting} == {"good"}


def test_a_fit_is_begun_watched_and_stopped(page: "sync_api.Page", browsed: Running) -> None:
    page.goto("/models")
    follow(page.get_by_role("link", name="Fit it here"))
    expect(page.locator("#fits")).to_contain_text("judged good, as grey.onnx did")
    page.get_by_role("button", name="Fit", exact=True).click()
    expect(page.locator("#fits")).to_contain_text("grey-fit-1.onnx")
    expect(page.get_by_role("button", name="Fit", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#fits")).to_contain_text("It was stopped.", timeout=60_000)
    expect(page.get_by_role("button", name="Fit", exact=True)).to_be_enabled()
