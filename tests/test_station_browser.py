"""The station's pages in a real browser."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image

from browser import CHROMIUM, needs_browser
from station import Running, bad_part, good_part, png, running_station, write_grey_model

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = needs_browser

WIDTHS = (390, 820, 1280)
PAGES = ("/", "/inspections", "/inspections/5", "/history", "/threshold", "/models")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A station with two models that has seen twelve parts, four of them bad."""
    folder = tmp_path_factory.mktemp("station")
    (folder / "models").mkdir()
    write_grey_model(folder / "models" / "other.onnx", weight=2.0)
    with running_station(folder, models=folder / "models", queue_size=4) as it:
        for number in range(12):
            post(it, bad_part(number) if number % 3 == 1 else good_part(number), f"part {number}.png")
        yield it


@pytest.fixture(scope="module")
def browser() -> Iterator["sync_api.Browser"]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "sync_api.Browser", running: Running) -> Iterator["sync_api.Page"]:
    """A page that must not complain, nor ask anybody but the station for anything."""
    context = browser.new_context(base_url=running.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(10_000)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    yield page
    context.close()
    meant = ("ERR_INTERNET_DISCONNECTED", "status of 503")  # by tests that break something
    assert [words for words in said if not any(part in words for part in meant)] == []
    assert all(address.startswith((running.url, "blob:", "data:")) for address in asked)


def post(running: Running, image: np.ndarray, name: str) -> int:
    answer = httpx2.post(f"{running.url}/v1/inspect", content=png(image), params={"name": name}, timeout=30)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def files(*parts: tuple[str, bytes]) -> list[dict]:
    return [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in parts]


def pixels(page: "sync_api.Page", place: str) -> np.ndarray:
    """What an element shows, int [H, W, 3]."""
    shot = page.locator(place).screenshot(animations="disabled")
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def feedback(running: Running, number: int) -> str | None:
    return httpx2.get(f"{running.url}/v1/inspections/{number}").json()["feedback"]


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit_and_can_be_touched(page: "sync_api.Page", width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for address in PAGES:
        page.goto(address)
        page.wait_for_load_state("networkidle") if address == "/threshold" else None
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        small = page.locator(
            "button:visible, .button:visible, nav a:visible, select:visible, summary:visible"
        )
        for box in filter(None, (element.bounding_box() for element in small.all())):
            assert box["height"] >= 43.5 and box["width"] >= 43.5, (address, box)


def test_live_shows_what_arrives_by_the_api(page: "sync_api.Page", running: Running) -> None:
    page.goto("/")
    expect = sync_api.expect
    before = page.locator("#strip > li").count()
    number = post(running, bad_part(100), "arrived.png")
    expect(page.locator("#strip > li").first).to_have_id(f"inspection-{number}")
    expect(page.locator("#latest")).to_contain_text("arrived.png")
    expect(page.locator("#latest .verdict")).to_have_text("Anomalous")
    expect(page.locator("#announcer")).to_contain_text("arrived.png")
    assert page.locator("#strip > li").count() == before + 1
    page.get_by_role("button", name="Pause").click()
    post(running, good_part(101), "unseen.png")
    page.wait_for_timeout(1500)
    expect(page.locator("#latest")).to_contain_text("arrived.png")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#latest")).to_contain_text("unseen.png")


def test_upload_by_the_button(page: "sync_api.Page", running: Running) -> None:
    page.goto("/")
    chosen = [(f"upload {number}.png", png(good_part(200 + number))) for number in range(8)]
    page.set_input_files("#files", files(*chosen, ("no picture.png", b"nothing of the kind")))
    sync_api.expect(page.locator("#upload-words")).to_have_text("8 of 9 pictures inspected.")
    sync_api.expect(page.locator("#upload-errors li")).to_have_count(1)
    sync_api.expect(page.locator("#upload-errors")).to_contain_text("no picture.png is not a PNG")
    sync_api.expect(page.locator("#latest")).to_contain_text("upload")
    found = httpx2.get(f"{running.url}/v1/inspections", params={"source": "page"}).json()["inspections"]
    assert sorted(one["name"] for one in found) == sorted(name for name, _ in chosen)


def test_a_busy_station_is_asked_again(page: "sync_api.Page") -> None:
    answers = iter([503, 503])

    def busy(route: "sync_api.Route") -> None:
        status = next(answers, None)
        if status is None:
            route.continue_()
        else:
            route.fulfill(status=status, json={"detail": "Wait."}, headers={"Retry-After": "1"})

    page.goto("/")
    page.route("**/v1/inspections", busy)
    page.set_input_files("#files", files(("patient.png", png(good_part(300)))))
    sync_api.expect(page.locator("#upload-words")).to_contain_text("Trying again: Wait.")
    sync_api.expect(page.locator("#upload-words")).to_have_text("1 of 1 picture inspected.")


def test_pictures_are_dropped_anywhere(page: "sync_api.Page") -> None:
    page.goto("/")
    data = page.evaluate_handle(
        """bytes => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
          return data;
        }""",
        list(png(bad_part(310))),
    )
    page.dispatch_event("h1", "dragover", {"dataTransfer": data})
    sync_api.expect(page.locator("#drop")).to_be_visible()
    page.dispatch_event("h1", "drop", {"dataTransfer": data})
    sync_api.expect(page.locator("#drop")).to_be_hidden()
    sync_api.expect(page.locator("#latest")).to_contain_text("dropped.png")


def test_a_lost_connection_is_told_and_comes_back(page: "sync_api.Page", running: Running) -> None:
    page.goto("/")
    page.context.set_offline(True)
    sync_api.expect(page.locator("#lost")).to_be_visible()
    post(running, good_part(320), "meanwhile.png")
    page.context.set_offline(False)
    sync_api.expect(page.locator("#lost")).to_have_count(0)
    sync_api.expect(page.locator("#latest")).to_contain_text("meanwhile.png")


def test_filters(page: "sync_api.Page") -> None:
    page.goto("/inspections")
    page.get_by_label("Verdict").select_option("anomalous")
    page.get_by_label("Name or note").fill("part 4")
    page.get_by_role("button", name="Show").click()
    sync_api.expect(page.locator(".card")).to_have_count(1)
    assert page.get_by_label("Verdict").input_value() == "anomalous"
    page.locator(".card").click()
    sync_api.expect(page.locator("h1")).to_have_text("part 4.png")
    page.get_by_role("link", name="All", exact=True).click()
    sync_api.expect(page.locator(".card")).to_have_count(1)


def test_sliders_change_the_picture(page: "sync_api.Page") -> None:
    page.goto("/inspections/5")
    page.locator("#stage canvas").wait_for()
    assert page.locator("#stage img").is_hidden()
    usual = pixels(page, "#stage")
    page.locator("#opacity").fill("0")
    sync_api.expect(page.locator("#opacity-words")).to_have_text("0 %")
    without_heat = pixels(page, "#stage")
    assert np.ptp(without_heat, axis=2).max() < 15 < np.ptp(usual, axis=2).max()  # grey, and not
    page.locator("#opacity").fill("75")
    page.locator("#level").fill("255")
    sync_api.expect(page.locator("#level-words")).to_contain_text("7.0 times")
    without_line = pixels(page, "#stage")
    assert np.abs(without_line - usual).max() > 100
    page.keyboard.press("o")
    sync_api.expect(page.locator("#original")).to_have_attribute("aria-pressed", "true")
    assert np.abs(pixels(page, "#stage") - without_line).max() > 30


def test_the_canvas_is_the_overlay(page: "sync_api.Page", running: Running) -> None:
    """Without the outline, the page draws what the station draws."""
    page.goto("/inspections/5")
    page.locator("#stage canvas").wait_for()
    page.locator("#level").fill("255")
    sync_api.expect(page.locator("#level-words")).to_contain_text("7.0 times")
    shown = page.evaluate(
        """() => {
          const canvas = document.querySelector("#stage canvas");
          return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data];
        }"""
    )
    served = httpx2.get(f"{running.url}/v1/inspections/5/overlay.png").content
    expected = np.asarray(Image.open(io.BytesIO(served)))
    drawn = np.array(shown).reshape(*expected.shape[:2], 4)[..., :3]
    assert np.abs(drawn - expected.astype(int)).max() <= 4


def test_feedback_by_button_and_by_key(page: "sync_api.Page", running: Running) -> None:
    page.goto("/inspections/5")
    page.get_by_label("Note").fill("a scratch, ged")
    page.get_by_role("button", name="Defect").click()
    sync_api.expect(page.locator("#said")).to_contain_text("Judged a defect")
    assert feedback(running, 5) == "defect"
    page.locator("body").press("g")
    sync_api.expect(page.locator("#said")).to_contain_text("Judged good")
    assert feedback(running, 5) == "good"
    page.reload()
    sync_api.expect(page.get_by_role("button", name="Good")).to_have_attribute("aria-pressed", "true")
    sync_api.expect(page.get_by_label("Note")).to_have_value("a scratch, ged")
    page.locator("body").press("u")
    sync_api.expect(page.locator("#said")).to_contain_text("cleared")
    assert feedback(running, 5) is None
    page.locator("body").press("?")
    sync_api.expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    sync_api.expect(page.locator("#keys")).to_be_hidden()


def test_a_review_goes_on_by_itself(page: "sync_api.Page", running: Running) -> None:
    page.goto("/inspections/2?review=2,8,11")
    page.get_by_label("Go on to the next").check()
    page.locator("body").press("d")
    page.wait_for_url("**/inspections/8?review=2,8,11")
    sync_api.expect(page.get_by_label("Go on to the next")).to_be_checked()
    page.locator("body").press("g")
    page.wait_for_url("**/inspections/11?review=2,8,11")
    page.locator("body").press("d")
    sync_api.expect(page.locator("#said")).to_contain_text("This was the last one.")
    assert [feedback(running, number) for number in (2, 8, 11)] == ["defect", "good", "defect"]
    page.locator("body").press("p")
    page.wait_for_url("**/inspections/8?review=2,8,11")


def test_a_judgement_that_is_not_saved_says_so(page: "sync_api.Page", running: Running) -> None:
    page.goto("/inspections/3")
    page.context.set_offline(True)
    page.locator("body").press("d")
    sync_api.expect(page.locator("#said")).to_contain_text("Not saved: The station does not answer")
    page.context.set_offline(False)
    assert feedback(running, 3) is None


def test_the_threshold_is_tried_and_used(page: "sync_api.Page", running: Running) -> None:
    page.goto("/threshold")
    use = page.get_by_role("button", name="Use this rate")
    sync_api.expect(page.locator("#preview .tiles")).to_be_visible()
    sync_api.expect(use).to_be_disabled()
    before = page.locator("#force").inner_text()
    page.get_by_label("Good parts flagged, %").fill("15")
    sync_api.expect(page.locator("#preview")).to_contain_text("At 15 %")
    sync_api.expect(use).to_be_enabled()
    use.click()
    sync_api.expect(page.locator("#rate-words")).to_contain_text("In use: the threshold is")
    assert running.station.shelf.active.calibration.false_alarm_rate == 0.15
    assert page.locator("#force").inner_text() != before
    page.locator("#slide").fill("0")
    sync_api.expect(page.get_by_label("Good parts flagged, %")).to_have_value("1")
    sync_api.expect(page.locator("#preview")).to_contain_text("At 1 %")
    page.get_by_label("Good parts flagged, %").fill("0")
    sync_api.expect(page.locator("#rate-words")).to_contain_text("A rate is between")
    sync_api.expect(use).to_be_disabled()


def test_calibrating_from_what_was_judged(page: "sync_api.Page", running: Running) -> None:
    httpx2.put(f"{running.url}/v1/inspections/1/feedback", json={"feedback": "good", "note": ""})
    page.goto("/threshold")
    page.get_by_role("button", name="Add them").click()
    sync_api.expect(page.locator("#learn-words")).to_contain_text("Calibrated from")
    assert len(running.station.shelf.active.calibration.scores) > 199
    assert page.locator("#calibrations tbody tr").count() == len(
        running.station.store.calibrations(running.station.shelf.active.fingerprint)
    )
    with page.expect_download() as download:
        page.get_by_role("link", name="Download dataset.zip").click()
    assert Path(download.value.path()).read_bytes()[:2] == b"PK"


def test_models_are_loaded_and_used(page: "sync_api.Page", running: Running) -> None:
    page.goto("/models")
    other = page.locator(".model", has_text="other.onnx")
    sync_api.expect(other).to_contain_text("not loaded")
    other.get_by_role("button", name="Load").click()
    sync_api.expect(other.locator(".state")).to_have_text("loaded")
    other.get_by_role("button", name="Use").click()
    sync_api.expect(other).to_contain_text("in use")
    assert running.station.shelf.active.name == "other.onnx"
    page.locator(".model", has_text="grey.onnx").get_by_role("button", name="Use").click()
    sync_api.expect(page.locator(".model", has_text="grey.onnx")).to_contain_text("in use")


def test_all_can_be_reached_by_keyboard(page: "sync_api.Page") -> None:
    page.goto("/inspections")
    page.keyboard.press("Tab")
    sync_api.expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    page.goto("/inspections/5")
    for place in ("#original", "#opacity", "#level", "[data-say=good]", "#note", "#go-on"):
        page.locator(place).focus()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_dark_and_light(browser: "sync_api.Browser", running: Running) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        context = browser.new_context(base_url=running.url, color_scheme=scheme)
        page = context.new_page()
        page.goto("/models")
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        context.close()
    assert len(grounds) == 2


def test_without_scripts_there_is_a_picture(browser: "sync_api.Browser", running: Running) -> None:
    context = browser.new_context(base_url=running.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/inspections/5")
    assert page.locator("#stage img").is_visible() and page.locator("#controls").is_hidden()
    assert page.locator("noscript p").is_visible()
    context.close()
