"""The pages of one recipe of several, in a browser: what is done there is done to it."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser import needs_browser
from tests.station.support import bad_part, encoded, grey_onnx, running_station
from tests.station.web.support import follow

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect

pytestmark = [needs_browser, pytest.mark.slow]


def test_pages_of_a_recipe_send_and_change_what_is_its_own(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    text = f'[bottle]\nmodel = "{tmp_path}/grey.onnx"\n'
    text += f'[screw]\nmodel = "{tmp_path}/grey.onnx"\nmodels = "{tmp_path}/models"\n'
    (tmp_path / "line.toml").write_text(text)
    for file in ("grey.onnx", "models/other.onnx"):
        (tmp_path / file).write_bytes(grey_onnx())
    with running_station(tmp_path, recipes=tmp_path / "line.toml") as it:
        page = browser.new_page(base_url=it.url)
        page.on("dialog", lambda dialog: dialog.accept())
        page.goto("/")
        follow(page.get_by_role("navigation", name="Recipes").get_by_text("screw"))
        files = [{"name": "a.png", "mimeType": "image/png", "buffer": encoded(bad_part(1))}]
        page.locator("#files").set_input_files(files)
        expect(page.locator("#strip > li")).to_have_count(1)
        expect(page.locator("#in-force")).to_contain_text("screw")
        follow(page.get_by_role("navigation", name="Pages").get_by_text("Threshold"))
        page.locator("#percent").fill("20")
        page.get_by_role("button", name="Use this rate").click()
        expect(page.locator("#rate-words")).to_contain_text("In use")
        follow(page.get_by_role("navigation", name="Pages").get_by_text("Models"))
        page.locator(".model", has_text="other.onnx").get_by_role("button", name="Use").click()
        expect(page.locator(".model", has_text="other.onnx")).to_contain_text("in use")
        follow(page.get_by_role("navigation", name="Pages").get_by_text("Live"))
        expect(page.locator("#in-force")).to_contain_text("other.onnx")
        expect(page.locator("#changes li")).to_have_count(4)
        other = it.recipe.models.active
        assert (other.name, other.calibrated.false_alarm_rate) == ("grey.onnx", 0.02)
        assert it.station.store.get(1).recipe == "screw"
        page.close()
