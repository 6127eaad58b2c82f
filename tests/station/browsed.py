"""A running station in a real browser."""

from collections.abc import Iterator

import httpx2
import numpy as np
import pytest

from tests.browser import CHROMIUM
from tests.station.station import Running, bad_part, good_part, png, running_station, write_grey_model

sync_api = pytest.importorskip("playwright.sync_api")

sync_api.expect.set_options(timeout=15_000)  # where other tests run beside

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
    """One for all the tests of a file."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "sync_api.Browser", running: Running) -> Iterator["sync_api.Page"]:
    """A page that must not complain, nor ask anybody but the station for anything."""
    context = browser.new_context(base_url=running.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    yield page
    context.close()
    meant = (
        "ERR_INTERNET_DISCONNECTED",
        "status of 503",
        "status of 409",
        "status of 401",
    )  # by tests that break something
    assert [words for words in said if not any(part in words for part in meant)] == []
    assert all(address.startswith((running.url, "blob:", "data:")) for address in asked)


def post(running: Running, image: np.ndarray, name: str) -> int:
    """Have an image inspected; its number."""
    answer = httpx2.post(f"{running.url}/v1/inspect", content=png(image), params={"name": name}, timeout=30)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])
