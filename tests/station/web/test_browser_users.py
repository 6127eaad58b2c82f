"""Users in a browser: from a link to a login, and a change that asks why."""

from pathlib import Path
from typing import Any

import pytest

from blemish.station.records import Author, Role
from blemish.station.schemas import AuditQuery
from blemish.station.storage.audit import entries
from tests.station.support import running_station
from tests.station.web.support import PASSWORD, follow, log_in

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.slow


def test_an_engineer_sets_a_password_logs_in_and_says_why(browser: Any, tmp_path: Path) -> None:
    with running_station(tmp_path, users=True) as it:
        assert it.station.accounts
        it.station.accounts.first_link()
        link = it.station.accounts.add("anna", Role.ENGINEER, Author("admin"))
        page = browser.new_context(base_url=it.url).new_page()
        page.goto(f"/password?link={link}")
        page.get_by_label("Password").fill(PASSWORD)
        follow(page.get_by_role("button", name="Set it"))
        log_in(page, "anna")
        sync_api.expect(page.get_by_role("link", name="Users")).to_have_count(0)
        follow(page.get_by_role("link", name="Threshold"))
        page.locator("#percent").fill("5")
        page.on("dialog", lambda dialog: dialog.accept("the light is new"))
        page.get_by_role("button", name="Use this rate").click()
        sync_api.expect(page.locator("#rate-words")).to_contain_text("In use")
        follow(page.get_by_role("link", name="Audit"))
        sync_api.expect(page.get_by_role("row", name="the light is new")).to_contain_text("anna")
        last = entries(it.station.store.database, AuditQuery())[0]
        assert (last.who, last.why) == ("anna", "the light is new")


def test_an_admin_adds_a_user_and_disables_one(browser: Any, tmp_path: Path) -> None:
    with running_station(tmp_path, users=True) as it:
        assert it.station.accounts
        it.station.accounts.set_password(it.station.accounts.first_link(), PASSWORD)
        page = browser.new_context(base_url=it.url).new_page()
        page.goto("/login?next=/users")
        log_in(page, "admin")
        page.get_by_label("Name").fill("anna")
        page.get_by_role("button", name="Add").click()
        sync_api.expect(page.get_by_role("status").first).to_contain_text(f"{it.url}/password?link=")
        page.locator("form", has=page.get_by_role("button", name="New link")).nth(1).get_by_text(
            "Disabled"
        ).click()
        page.get_by_role("button", name="Save").nth(1).click()
        sync_api.expect(page.locator(".model", has_text="anna")).to_contain_text("disabled")
