"""The station's pages in a real browser."""

from pathlib import Path

import httpx2
import pytest

from blemish.station import station
from blemish.station.learning.drift import measure_drift
from tests.browser import needs_browser
from tests.station.support import Running, bad_part, encoded, good_part

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = [needs_browser, pytest.mark.slow]


def choose(page: "sync_api.Page", *parts: tuple[str, bytes]) -> None:
    files = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in parts]
    page.set_input_files("#files", files)


def test_live_shows_what_arrives_and_is_judged_elsewhere(page: "sync_api.Page", browsed: Running) -> None:
    number = browsed.inspect(bad_part(102), name="judged elsewhere.png")["id"]
    page.goto("/")
    latest, card = page.locator("#latest"), page.locator(f"#inspection-{number}")
    before = page.locator("#strip > li").count()
    expect(card).not_to_contain_text("judged a defect")
    httpx2.put(f"{browsed.url}/v1/inspections/{number}/feedback", json={"feedback": "defect"})
    expect(card).to_contain_text("judged a defect")
    expect(latest).to_contain_text("judged a defect")
    number = browsed.inspect(bad_part(100), name="arrived.png")["id"]
    expect(page.locator("#strip > li").first).to_have_id(f"inspection-{number}")
    expect(latest).to_contain_text("arrived.png")
    expect(page.locator("#latest .verdict")).to_have_text("Anomalous")
    expect(page.locator("#announcer")).to_contain_text("arrived.png")
    assert page.locator("#strip > li").count() == before + 1
    page.get_by_role("button", name="Pause").click()
    browsed.inspect(good_part(101), name="unseen.png")
    page.wait_for_timeout(1500)
    expect(latest).to_contain_text("arrived.png")
    page.get_by_role("button", name="Go on").click()
    expect(latest).to_contain_text("unseen.png")


def test_upload_by_the_button(page: "sync_api.Page", browsed: Running) -> None:
    page.goto("/")
    chosen = [(f"upload {number}.png", encoded(good_part(200 + number))) for number in range(8)]
    choose(page, *chosen, ("no picture.png", b"nothing of the kind"))
    expect(page.locator("#upload-words")).to_have_text("8 of 9 pictures inspected.")
    expect(page.locator("#upload-errors li")).to_have_count(1)
    expect(page.locator("#upload-errors")).to_contain_text("no picture.png is not a PNG")
    expect(page.locator("#latest")).to_contain_text("upload")
    found = httpx2.get(f"{browsed.url}/v1/inspections", params={"source": "page"}).json()["inspections"]
    assert sorted(one["name"] for one in found) == sorted(name for name, _ in chosen)


def test_an_upload_goes_on_after_a_lost_connection(page: "sync_api.Page", browsed: Running) -> None:
    answers = iter([503, 503])

    def busy(route: "sync_api.Route") -> None:
        status = next(answers, None)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, json={"detail": "Wait."}, headers={"Retry-After": "1"})

    page.goto("/")
    page.context.set_offline(True)
    choose(page, ("late.png", encoded(good_part(330))))
    words = page.locator("#upload-words")
    expect(words).to_contain_text("Trying again: The station does not answer")
    expect(page.locator("#lost")).to_contain_text("No connection since")
    expect(page.locator("#latest")).to_have_css("opacity", "0.3")
    expect(page.locator("#pill")).to_contain_text("No answer")
    browsed.inspect(good_part(320), name="meanwhile.png")
    page.route("**/v1/inspections", busy)
    page.context.set_offline(False)
    expect(words).to_contain_text("Trying again: Wait.")
    expect(words).to_have_text("1 of 1 picture inspected.")
    expect(page.locator("#lost")).to_have_count(0)
    expect(page.locator("#pill")).to_contain_text("Running")
    expect(page.locator("#strip")).to_contain_text("meanwhile.png")


def test_folders_are_dropped_anywhere_with_all_that_is_in_them(page: "sync_api.Page", tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    (folder / "below").mkdir(parents=True)
    (folder / "a.png").write_bytes(encoded(good_part(400)))
    (folder / "below" / "b.png").write_bytes(encoded(good_part(401)))
    (folder / "notes.txt").write_text("no picture, and none meant")
    page.goto("/")
    browser = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for step, shown in (("dragEnter", False), ("dragOver", True), ("drop", False)):
        browser.send("Input.dispatchDragEvent", {"type": step, "x": 300, "y": 300, "data": data})
        expect(page.locator("#drop")).to_be_visible(visible=shown)
    page.get_by_text("2 of 2 pictures inspected.").wait_for()
    assert page.locator("#upload-errors > li").count() == 0


def test_a_wall_shows_verdict_counters_and_what_judges_large(page: "sync_api.Page", browsed: Running) -> None:
    browsed.inspect(bad_part(103), name="on the wall.png")
    page.goto("/")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.get_by_role("button", name="Full screen").click()
    wall = page.locator("main:fullscreen")
    expect(wall.locator("#latest .verdict")).to_have_text("Anomalous")
    assert wall.locator("#latest .verdict").bounding_box()["height"] >= 0.12 * 800
    for label in ("Good", "Anomalous", "Not scored", "Share of alarms"):
        count = wall.locator(".tile", has=page.get_by_text(label, exact=True)).locator("dd")
        assert count.bounding_box()["height"] >= 0.04 * 800
    expect(wall.locator("#in-force")).to_contain_text("grey.onnx")
    expect(wall.locator("#in-force")).to_contain_text("threshold")
    expect(wall.locator("#strip")).to_be_hidden()
    page.context.set_offline(True)
    expect(wall.locator("#lost")).to_be_in_viewport()
    page.context.set_offline(False)
    expect(wall.locator("#lost")).to_have_count(0)


def test_drift_is_announced_in_amber(
    page: "sync_api.Page", browsed: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    drifted = measure_drift(browsed.recipe).model_copy(update={"message": "The scores are higher."})
    with monkeypatch.context() as patch:
        patch.setattr(station, "measure_drift", lambda recipe: drifted)
        browsed.station.monitor.look()
        page.goto("/")
        expect(page.locator("#pill")).to_contain_text("Drift announced")
        expect(page.locator("#pill summary")).to_have_css("border-color", "rgb(185, 137, 0)")
        page.get_by_role("button", name="Full screen").click()
        expect(page.locator("main:fullscreen .banner")).to_contain_text("Scores have drifted")
        assert httpx2.get(f"{browsed.url}/v1/health").json()["status"] == "degraded"
    browsed.station.monitor.look()
    expect(page.locator("main:fullscreen .banner")).to_have_count(0)
    assert httpx2.get(f"{browsed.url}/v1/health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "Filters"),
        ("verdict=anomalous&feedback=none", "Filters: anomalous, not judged"),
        ("lot=LT7&since=2026-01-31T08:00", "Filters: lot LT7, from 2026-01-31 08:00"),
    ],
)
def test_folded_filters_say_which_are_active(page: "sync_api.Page", query: str, words: str) -> None:
    page.goto(f"/inspections?{query}")
    expect(page.get_by_label("Verdict")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    expect(page.get_by_label("Verdict")).to_be_hidden()
    expect(page.locator(".folded summary")).to_have_text(words)


def test_what_is_refused_is_no_longer_live(page: "sync_api.Page") -> None:
    page.goto("/")
    page.route("**/live*", lambda route: route.fulfill(status=503, json={"detail": "Later."}))
    expect(page.locator("#latest")).to_have_css("opacity", "0.3")
    page.unroute("**/live*")
    expect(page.locator("#latest")).to_have_css("opacity", "1")


def test_models_are_used(page: "sync_api.Page", browsed: Running) -> None:
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/models")
    other, grey = (page.locator(".model", has_text=f"{name}.onnx") for name in ("other", "grey"))
    expect(grey).to_contain_text("in use")
    other.get_by_role("button", name="Use").click()
    expect(other).to_contain_text("in use")
    assert browsed.recipe.models.active.name == "other.onnx"
    grey.get_by_role("button", name="Use").click()
    expect(grey).to_contain_text("in use")


def test_all_can_be_reached_by_keyboard(page: "sync_api.Page") -> None:
    page.goto("/inspections")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    page.goto("/inspections/5")
    for place in ("#original", "#opacity", "#level", "[data-say=good]", "#note", "#go-on"):
        page.locator(place).focus()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_the_report_of_a_day_prints_on_one_page(page: "sync_api.Page") -> None:
    page.goto("/report")
    assert page.get_by_role("row", name="Anomalous").is_visible()
    page.emulate_media(media="print")
    assert not page.locator("nav:visible, form:visible, button:visible, .bar:visible").all()
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.count(b"/Type /Page\n") == 1 and b"/MediaBox [0 0 594.95996 841.91998]" in printed


def test_without_scripts_there_is_a_picture(browser: "sync_api.Browser", browsed: Running) -> None:
    context = browser.new_context(base_url=browsed.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/inspections/5")
    assert page.locator("#stage img").is_visible() and page.locator("#controls").is_hidden()
    assert page.locator("noscript p").is_visible()
    context.close()
