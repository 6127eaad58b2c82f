"""Rules drawn in a browser."""

import re
from pathlib import Path

import pytest

from blemish.inference.rules import beside, read_rules
from tests.browser import needs_browser
from tests.station.support import Running
from tests.station.web.support import follow

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = [needs_browser, pytest.mark.slow]


def draw(page: "sync_api.Page", *corners: tuple[float, float]) -> None:
    """Click on corners, in shares of the picture, and on the first one again."""
    page.get_by_role("button", name="Draw a zone").click()
    board = page.locator("#board image")
    box = board.bounding_box()
    for x, y in (*corners, corners[0]):
        page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_a_zone_is_drawn_named_tried_and_put_in_force(page: "sync_api.Page", browsed: Running) -> None:
    file: Path = beside(browsed.station.settings.model)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/models")
    follow(page.get_by_role("link", name="Rules"))
    alarms, use = page.locator("#alarms"), page.get_by_role("button", name="Put in force")
    expect(alarms).to_have_text("Of 199 held-out good parts 3 would be defective.")
    draw(page, (0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98))
    page.get_by_label("Zone", exact=True).fill('the "left"')
    page.get_by_label("Defects there").select_option("do not count")
    expect(page.get_by_label("How strictly")).to_be_disabled()
    page.get_by_label("Good parts called defective, %").fill("1")
    page.get_by_label("and at least to look at again, %").fill("0.5")
    expect(alarms).to_contain_text("look_again (0.005) is not above defective (0.01)")
    expect(use).to_be_disabled()
    page.get_by_label("and at least to look at again, %").fill("5")
    counts = re.compile("Of 199 held-out good parts 1 would be defective, and [78] to look at again.")  # ties
    expect(alarms).to_have_text(counts)
    assert not file.exists()
    use.click()
    expect(alarms).to_have_text("In force from the next image on.")
    rules = read_rules(file)
    (zone,) = rules.zones
    assert (zone.name, zone.look, rules.picture) == ('the "left"', False, (64, 64))
    assert (rules.defective, rules.look_again) == (0.01, 0.05)
    for (x, y), expected in zip(zone.polygon, [(1.3, 1.3), (32, 1.3), (32, 62.7), (1.3, 62.7)], strict=True):
        assert (x, y) == pytest.approx(expected, abs=0.2)
    page.reload()
    expect(page.get_by_label("Zone", exact=True)).to_have_value('the "left"')
    expect(page.locator("#board polygon.ignored")).to_have_count(1)
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#board polygon")).to_have_count(0)


def test_a_zone_is_given_up_by_escape(page: "sync_api.Page") -> None:
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/models/rules")
    before = page.locator("#list > li").count()
    page.get_by_role("button", name="Draw a zone").click()
    page.locator("#board").click(position={"x": 50, "y": 50})
    expect(page.locator("#board circle")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#board circle")).to_have_count(0)
    assert page.locator("#list > li").count() == before
