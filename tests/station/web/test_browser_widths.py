"""No page is wider than its window, on any screen, and all can be touched."""

from collections.abc import Iterator
from typing import Any

import pytest

from blemish.station.records import Author, Role, Source
from tests.browser import needs_browser
from tests.station.support import Running, bad_part, encoded, good_part, grey_onnx, running_station
from tests.station.web.support import PASSWORD, log_in

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = [needs_browser, pytest.mark.slow]

WIDTHS = (390, 820, 1280)
PAGES = ["/", "/inspections", "/inspections/2", "/judge", "/history", "/threshold", "/models", "/models/fit"]
PAGES += ["/models/rules", "/report", "/audit", "/users", "/login"]
TOUCHED = "button:visible, .button:visible, nav a:visible, select:visible, summary:visible"
LONG_NAME = f"a picture of the line {'without_any_space' * 8}.png"


@pytest.fixture(scope="module")
def long_named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A station where people log in, with two models and pictures whose names have no end."""
    folder = tmp_path_factory.mktemp("station")
    (folder / "models").mkdir()
    (folder / "models" / "other.onnx").write_bytes(grey_onnx(2.0))
    with running_station(folder, users=True, models=folder / "models") as it:
        for number in range(8):
            data = encoded(bad_part(number) if number % 3 == 1 else good_part(number))
            it.station.pipeline.submit(it.recipe, data, source=Source.API, name=LONG_NAME).result(30)
        yield it


@pytest.fixture(scope="module")
def admin(browser: Any, long_named: Running) -> Iterator[Any]:
    """The page of an admin who has logged in."""
    accounts = long_named.station.accounts
    assert accounts
    page = browser.new_page(base_url=long_named.url)
    accounts.set_password(accounts.first_link(), PASSWORD)
    page.goto("/login")
    log_in(page, "admin")
    accounts.add("a-name-as-long-as-names-may-be-at-this-station", Role.ENGINEER, Author("admin"))
    yield page
    page.close()


def assert_fits(page: Any) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("(document.fullscreenElement ?? document.body).scrollWidth") <= width
        for box in filter(None, (element.bounding_box() for element in page.locator(TOUCHED).all())):
            assert box["height"] >= 43.5 and box["width"] >= 43.5, (width, box)


@pytest.mark.parametrize("address", PAGES)
def test_pages_fit_and_can_be_touched(admin: Any, address: str) -> None:
    admin.goto(address, wait_until="networkidle" if address == "/threshold" else "load")
    assert_fits(admin)


def test_the_page_that_sets_a_password_fits(browser: Any, long_named: Running) -> None:
    assert long_named.station.accounts
    page = browser.new_page(base_url=long_named.url)
    page.goto(f"/password?link={long_named.station.accounts.add('anna', Role.ENGINEER, Author('admin'))}")
    expect(page.get_by_label("Password")).to_be_visible()
    assert_fits(page)
    page.close()


def test_the_full_screen_fits(admin: Any) -> None:
    admin.goto("/")
    admin.get_by_role("button", name="Full screen").click()
    expect(admin.locator("main:fullscreen")).to_have_count(1)
    assert_fits(admin)
    admin.get_by_role("button", name="Leave full screen").click()
    expect(admin.locator("main:fullscreen")).to_have_count(0)
