"""Looking at pictures, judging them and setting the threshold, in a real browser."""

import io
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from blemish.images.drawing import draw_outlines
from tests.browser import needs_browser
from tests.station.support import Running

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = [needs_browser, pytest.mark.slow]


def pixels(page: "sync_api.Page", place: str) -> np.ndarray:
    """What an element shows, int [H, W, 3]."""
    shot = page.locator(place).screenshot(animations="disabled")
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def feedback(browsed: Running, number: int) -> str | None:
    return httpx2.get(f"{browsed.url}/v1/inspections/{number}").json()["feedback"]


def test_sliders_change_the_picture_which_is_the_overlay(page: "sync_api.Page", browsed: Running) -> None:
    page.goto("/inspections/5")
    page.locator("#stage canvas").wait_for()
    assert page.locator("#stage img").is_hidden()
    usual, opacity = pixels(page, "#stage"), page.locator("#opacity").input_value()
    page.locator("#opacity").fill("0")
    expect(page.locator("#opacity-words")).to_have_text("0 %")
    without_heat = pixels(page, "#stage")
    assert np.ptp(without_heat, axis=2).max() < 15 < np.ptp(usual, axis=2).max()  # grey, and not
    page.locator("#opacity").fill(opacity)
    page.locator("#level").fill("255")
    expect(page.locator("#level-words")).to_contain_text("7.0 times")
    without_line = pixels(page, "#stage")
    assert np.abs(without_line - usual).max() > 100
    shown = page.evaluate(
        """() => {
          const canvas = document.querySelector("#stage canvas");
          return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
        }"""
    )
    served = httpx2.get(f"{browsed.url}/v1/inspections/5/overlay.png").content
    expected = np.asarray(Image.open(io.BytesIO(served)))
    drawn = np.array(shown).reshape(*expected.shape[:2], 4)[..., :3]
    regions = httpx2.get(f"{browsed.url}/v1/inspections/5/regions").json()
    polygons = [np.array(polygon) for region in regions for polygon in region["outline"]]
    height, width = expected.shape[:2]
    lines = draw_outlines(np.full_like(expected, 9), polygons, width, height)  # the picture is as large
    outlined = binary_dilation((lines != 9).any(axis=2), iterations=3)  # a browser smoothes their edges
    assert outlined.mean() < 0.5
    assert np.abs(drawn - expected.astype(int))[~outlined].max() <= 4
    cyan = drawn[..., 1:].min(axis=2).astype(int) - drawn[..., 0] > 100
    assert cyan.any() and not cyan[~outlined].any()
    page.keyboard.press("o")
    expect(page.locator("#original")).to_have_attribute("aria-pressed", "true")
    assert np.abs(pixels(page, "#stage") - without_line).max() > 30


def test_feedback_by_button_and_by_key(page: "sync_api.Page", browsed: Running) -> None:
    page.goto("/inspections/5")
    page.get_by_label("Note").fill("a scratch, ged")
    page.get_by_role("button", name="Defect").click()
    expect(page.locator("#said")).to_contain_text("Judged a defect")
    assert feedback(browsed, 5) == "defect"
    page.locator("body").press("g")
    expect(page.locator("#said")).to_contain_text("Judged good")
    assert feedback(browsed, 5) == "good"
    page.reload()
    expect(page.get_by_role("button", name="Good")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_label("Note")).to_have_value("a scratch, ged")
    page.locator("body").press("u")
    expect(page.locator("#said")).to_contain_text("cleared")
    assert feedback(browsed, 5) is None
    page.locator("body").press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()


def test_a_rate_is_tried_and_used_unless_another_was_set(page: "sync_api.Page", browsed: Running) -> None:
    page.goto("/threshold")
    page.on("dialog", lambda dialog: dialog.accept())
    use = page.get_by_role("button", name="Use this rate")
    expect(page.locator("#preview .tiles")).to_be_visible()
    expect(use).to_be_disabled()
    before = page.locator("#force").inner_text()
    page.get_by_label("Good parts flagged, %").fill("15")
    expect(page.locator("#preview")).to_contain_text("At 15 %")
    expect(use).to_be_enabled()
    use.click()
    expect(page.locator("#rate-words")).to_contain_text("In use: the threshold is")
    assert browsed.recipe.models.active.calibrated.false_alarm_rate == 0.15
    assert page.locator("#force").inner_text() != before
    page.locator("#slide").fill("0")
    expect(page.get_by_label("Good parts flagged, %")).to_have_value("1")
    expect(page.locator("#preview")).to_contain_text("At 1 %")
    page.get_by_label("Good parts flagged, %").fill("0")
    expect(page.locator("#rate-words")).to_contain_text("A rate is between")
    expect(use).to_be_disabled()
    httpx2.put(f"{browsed.url}/v1/threshold", json={"false_alarm_rate": 0.07})
    page.get_by_label("Good parts flagged, %").fill("5")
    use.click()
    expect(page.locator("#rate-words")).to_contain_text("changed meanwhile")
    assert browsed.recipe.models.active.calibrated.false_alarm_rate == 0.07


def test_calibrating_from_what_was_judged_and_the_way_back(page: "sync_api.Page", browsed: Running) -> None:
    httpx2.put(f"{browsed.url}/v1/inspections/1/feedback", json={"feedback": "good"})
    asked: list[str] = []

    def answer(dialog: "sync_api.Dialog") -> None:
        asked.append(dialog.message)
        if len(asked) == 2:
            dialog.dismiss()
        else:
            dialog.accept()

    page.on("dialog", answer)
    page.goto("/threshold")
    page.get_by_role("button", name="Add them").click()
    expect(page.locator("#learn-words")).to_contain_text("Calibrated from")
    before = browsed.recipe.models.active.calibrated
    assert len(before.scores) > 199
    rows = page.locator("#calibrations tbody tr").count()
    assert rows == len(browsed.station.store.calibrations("grey", before.model))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download dataset.zip").click()
    assert Path(download.value.path()).read_bytes()[:2] == b"PK"
    page.reload()
    page.get_by_role("button", name="Replace by them").click()
    expect(page.locator("#learn-words")).to_contain_text("Not calibrated: nothing was changed")
    assert "cannot keep the false-alarm rate" in asked[1]
    assert browsed.recipe.models.active.calibrated == before
    page.get_by_role("button", name="Replace by them").click()
    expect(page.locator("#learn-words")).to_contain_text("Calibrated from")
    page.get_by_role("button", name=f"Use calibration {before.id} again").click()
    expect(page.locator("#again-words")).to_contain_text("Calibrated from")
    assert browsed.recipe.models.active.calibrated.scores == before.scores


def test_what_is_not_saved_says_so_and_takes_nobody_away(page: "sync_api.Page", browsed: Running) -> None:
    page.goto("/inspections/3")
    page.context.set_offline(True)
    page.locator("body").press("d")
    expect(page.locator("#said")).to_contain_text("Not saved: The station does not answer")
    page.context.set_offline(False)
    page.route("**/feedback", lambda route: route.fulfill(status=401, json={"detail": "Send the token."}))
    page.get_by_label("Note").fill("typed")
    page.get_by_role("button", name="Defect").click()
    again = page.get_by_role("link", name="Log in again")
    expect(again).to_have_attribute("href", "/login?next=%2Finspections%2F3")
    expect(page.get_by_label("Note")).to_have_value("typed")
    assert feedback(browsed, 3) is None


def test_of_judgements_in_a_hurry_the_last_one_counts(page: "sync_api.Page", browsed: Running) -> None:
    page.goto("/inspections/4")
    held: list[sync_api.Route] = []
    page.route("**/feedback", lambda route: held.append(route) if not held else route.continue_())
    for key in "gdgdu":
        page.locator("body").press(key)
    page.wait_for_function("document.getElementById('said').textContent == 'Saving…'")
    held[0].continue_()  # the first one is the last to arrive
    expect(page.locator("#said")).to_contain_text("cleared")
    assert feedback(browsed, 4) is None


def test_a_note_is_saved_when_left_and_survives_another_tab(page: "sync_api.Page", browsed: Running) -> None:
    other = page.context.new_page()
    for tab in (page, other):
        tab.goto("/inspections/7")
    page.get_by_label("Note").fill("oil, not a scratch")
    page.locator("h1").click()
    expect(page.locator("#said")).to_have_text("The note is saved.")
    other.locator("body").press("d")
    expect(other.locator("#said")).to_contain_text("Judged a defect")
    page.get_by_label("Note").fill("oil after all")
    page.get_by_role("button", name="Save note").click()
    expect(page.locator("#said")).to_have_text("The note is saved.")
    told = httpx2.get(f"{browsed.url}/v1/inspections/7").json()
    assert (told["feedback"], told["note"]) == ("defect", "oil after all")
