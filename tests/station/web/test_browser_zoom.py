"""Looking closer at a picture, in a real browser."""

import io
from base64 import b64decode
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser import needs_browser
from tests.station.support import Running, good_part, until

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = [needs_browser, pytest.mark.slow]

SIDE = 1600  # more than pages load
READ = """() => new Promise((give) => {
  const read = () => give(document.querySelector("#stage canvas").toDataURL().split(",")[1]);
  requestAnimationFrame(() => requestAnimationFrame(read)); // what was asked for is drawn
})"""


@pytest.fixture
def looked_at(page: Any, browsed: Running) -> Any:
    """The page of a large picture: a bright defect right of the middle, below it stripes of one pixel."""
    image = good_part(1, SIDE)
    image[700:900, 1000:1200] = 230
    image[1200:1400, 1000:1200:2] = 200
    number = browsed.inspect(image, name="large.png")["id"]
    page.goto(f"/inspections/{number}")
    page.locator("#tools").wait_for()
    return page


def drawn(page: Any) -> np.ndarray:
    """What the canvas shows, int [H, W, 3]."""
    return np.asarray(Image.open(io.BytesIO(b64decode(page.evaluate(READ)))).convert("RGB")).astype(int)


def stripes(page: Any) -> float:
    """The share of pixels as bright as the stripes are where they are told apart."""
    brightness = drawn(page)[..., 1]
    return float(((brightness > 185) & (brightness < 215)).mean())


def expect_zoom(page: Any, words: str) -> None:
    expect(page.locator("#zoom-words")).to_have_text(words)


def place(page: Any, x: float, y: float) -> tuple[float, float]:
    """A place on the screen, given in shares of the picture as it is shown whole."""
    box = page.locator("#stage canvas").bounding_box()
    side = min(box["width"], box["height"])
    return box["x"] + box["width"] / 2 + (x - 0.5) * side, box["y"] + box["height"] / 2 + (y - 0.5) * side


def test_heat_outlines_and_picture_stay_together(looked_at: Any) -> None:
    looked_at.mouse.move(*place(looked_at, 1100 / SIDE, 800 / SIDE))
    looked_at.mouse.wheel(0, -200)
    expect_zoom(looked_at, "225 %")
    heat = drawn(looked_at)
    line = np.argwhere(heat[..., 1:].min(axis=2) - heat[..., 0] > 100)  # cyan
    looked_at.keyboard.press("o")
    expect(looked_at.locator("#original")).to_have_attribute("aria-pressed", "true")
    defect = np.argwhere(drawn(looked_at).min(axis=2) > 220)
    size = np.ptp(defect, axis=0)
    assert size == pytest.approx(2.25 * 200 / SIDE * len(heat), rel=0.1)
    middles = [(points.min(axis=0) + points.max(axis=0)) / 2 for points in (line, defect)]
    assert middles[0] == pytest.approx(middles[1], abs=0.1 * len(heat))


def test_a_part_is_shown_in_the_picture_s_own_resolution(looked_at: Any) -> None:
    looked_at.keyboard.press("o")
    assert stripes(looked_at) < 0.01
    with looked_at.expect_response(lambda answer: answer.url.endswith("/picture.png")):
        looked_at.mouse.dblclick(*place(looked_at, 1100 / SIDE, 1300 / SIDE))
    expect_zoom(looked_at, "300 %")
    looked_at.mouse.wheel(0, -300)
    until(lambda: stripes(looked_at) > 0.1)
    looked_at.mouse.dblclick(*place(looked_at, 0.5, 0.5))
    expect_zoom(looked_at, "100 %")


def test_buttons_keys_and_dragging(looked_at: Any) -> None:
    address = looked_at.url
    looked_at.get_by_role("button", name="Zoom in").click()
    expect_zoom(looked_at, "150 %")
    looked_at.keyboard.press("+")
    expect_zoom(looked_at, "225 %")
    looked_at.keyboard.press("-")
    expect_zoom(looked_at, "150 %")
    pictures = [drawn(looked_at)]
    looked_at.mouse.move(*place(looked_at, 0.5, 0.5))
    looked_at.mouse.down()
    looked_at.mouse.move(*place(looked_at, 0.4, 0.5))
    looked_at.mouse.up()
    pictures.append(drawn(looked_at))
    looked_at.locator("#stage canvas").focus()
    looked_at.keyboard.press("ArrowRight")
    pictures.append(drawn(looked_at))
    assert all((before != after).any() for before, after in pairwise(pictures))
    shown = [np.argwhere(one.min(axis=2) > 220)[:, 1].mean() for one in pictures]
    assert shown[0] > shown[1] > shown[2]  # the defect moves to the left
    assert looked_at.url == address
    looked_at.keyboard.press("0")
    expect_zoom(looked_at, "100 %")


def test_two_fingers_on_a_phone(looked_at: Any) -> None:
    looked_at.set_viewport_size({"width": 390, "height": 844})
    x, y = place(looked_at, 0.5, 0.5)
    fingers = looked_at.context.new_cdp_session(looked_at)
    for kind, apart in (("touchStart", 20), ("touchMove", 30), ("touchMove", 60), ("touchEnd", None)):
        points = [{"x": x + sign * apart, "y": y, "id": sign + 1} for sign in (-1, 1)] if apart else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect_zoom(looked_at, "300 %")
    assert looked_at.evaluate("document.documentElement.scrollWidth") <= 390
