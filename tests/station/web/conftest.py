"""Running stations, a visitor of their pages, and a browser."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from blemish.station.records import Source
from tests.browser import CHROMIUM
from tests.station.support import Running, bad_part, encoded, good_part, grey_onnx, running_station

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
# Complaints that tests provoke.
EXPECTED = ("ERR_INTERNET_DISCONNECTED", "status of 503", "status of 409", "status of 401", "status of 422")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A station that takes small images alone."""
    with running_station(tmp_path_factory.mktemp("station"), max_upload=300_000, max_pixels=40_000) as it:
        yield it


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A station that has seen ten good parts, two bad ones, one with a bad name, and a broken file."""
    with running_station(tmp_path_factory.mktemp("station")) as it:
        for number in range(10):
            it.inspect(good_part(number), name=f"good {number}.png")
        for number in range(2):
            it.inspect(bad_part(50 + number), name=f"bad {number}.png")
        it.inspect(bad_part(60), name='<script>alert("x")</script>\'&.png')
        broken = {"source": Source.WATCH, "name": "broken.png", "keep_failed": True}
        it.station.pipeline.submit(it.recipe, encoded(good_part(61))[:900], **broken).result(30)
        yield it


@pytest.fixture
def visitor(visited: Running) -> Iterator[httpx2.Client]:
    """Asks for pages."""
    with httpx2.Client(base_url=visited.url, timeout=30, headers={"Accept": "text/html"}) as it:
        yield it


@pytest.fixture(scope="module")
def browsed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A station with two models that has seen twelve parts, four of them bad."""
    folder = tmp_path_factory.mktemp("station")
    (folder / "models").mkdir()
    (folder / "models" / "other.onnx").write_bytes(grey_onnx(2.0))
    with running_station(folder, models=folder / "models", queue_size=4) as it:
        for number in range(12):
            image = bad_part(number) if number % 3 == 1 else good_part(number)
            it.inspect(image, name=f"part {number}.png")
        yield it


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for all the tests of a file."""
    sync_api = pytest.importorskip("playwright.sync_api")
    sync_api.expect.set_options(timeout=15_000)  # where other tests run beside
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, browsed: Running) -> Iterator[Any]:
    """A page that must not complain, nor ask anybody but the station for anything."""
    context = browser.new_context(base_url=browsed.url, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    yield page
    context.close()
    assert [words for words in said if not any(part in words for part in EXPECTED)] == []
    assert all(address.startswith((browsed.url, "blob:", "data:")) for address in asked)
