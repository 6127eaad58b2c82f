"""Users: links, passwords, sessions, tokens, and the last admin."""

from datetime import timedelta

import pytest

from blemish.errors import BlemishError
from blemish.station.records import Author, Kind, Role, User
from blemish.station.schemas import AuditQuery
from blemish.station.storage import accounts as module
from blemish.station.storage.accounts import Accounts
from blemish.station.storage.audit import entries
from blemish.station.storage.store import Store

PASSWORD = "a plain long sentence"
BOSS = Author("boss")


@pytest.fixture
def accounts(store: Store) -> Accounts:
    """With an admin who has a password."""
    accounts = Accounts(store.database)
    accounts.set_password(accounts.first_link(), PASSWORD)
    return accounts


def named(accounts: Accounts, name: str) -> User:
    return next(user for user in accounts.all() if user.name == name)


def test_the_first_link_makes_an_admin_and_works_once(store: Store) -> None:
    accounts = Accounts(store.database)
    unused = accounts.first_link()
    link = accounts.first_link()
    assert accounts.invited(link).role == Role.ADMIN
    for wrong in (unused, link + "x", ""):
        with pytest.raises(BlemishError, match="used already, or is older"):
            accounts.invited(wrong)
    with pytest.raises(BlemishError, match="fewer than 12 characters"):
        accounts.set_password(link, "short")
    accounts.set_password(link, PASSWORD)
    with pytest.raises(BlemishError, match="used already"):
        accounts.set_password(link, PASSWORD)
    assert accounts.first_link() == ""
    assert [user.name for user in accounts.all()] == ["admin"]


def test_an_old_link_sets_no_password(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINK", timedelta(seconds=-1))
    with pytest.raises(BlemishError, match="older than 48 hours"):
        accounts.invited(accounts.add("anna", Role.OPERATOR, BOSS))


def test_a_session_lasts_until_logout_expiry_or_a_change(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts.set_password(accounts.add("anna", Role.OPERATOR, BOSS), PASSWORD)
    session = accounts.log_in("anna", PASSWORD)
    assert accounts.of_session(session) == named(accounts, "anna") and accounts.of_session("") is None
    accounts.log_out(session, "anna")
    assert accounts.of_session(session) is None
    session = accounts.log_in("anna", PASSWORD)
    accounts.change(named(accounts, "anna").id, Role.ENGINEER, False, BOSS)
    assert accounts.of_session(session) is None
    monkeypatch.setattr(module, "SESSION", timedelta(seconds=-1))
    assert accounts.of_session(accounts.log_in("anna", PASSWORD)) is None


def test_who_is_not_let_in(accounts: Accounts, store: Store) -> None:
    accounts.set_password(accounts.add("anna", Role.OPERATOR, BOSS), PASSWORD)
    accounts.change(named(accounts, "anna").id, Role.OPERATOR, True, BOSS)
    token = accounts.add("camera", Role.MACHINE, BOSS)
    accounts.add("new", Role.OPERATOR, BOSS)
    tried = [("anna", PASSWORD), ("admin", "wrong"), ("camera", token), ("new", ""), (PASSWORD, "x")]
    assert {accounts.log_in(name, password) for name, password in tried} == {""}
    failed = [
        entry for entry in entries(store.database, AuditQuery(kind=Kind.LOGIN)) if entry.after == "failed"
    ]
    assert [entry.who for entry in failed] == ["unknown name", "new", "unknown name", "admin", "unknown name"]


def test_a_machines_token_is_kept_hashed_and_can_be_revoked_and_renewed(accounts: Accounts) -> None:
    token = accounts.add("camera", Role.MACHINE, BOSS)
    camera = named(accounts, "camera")
    assert accounts.of_token(token) == camera and token not in str(camera.model_dump())
    assert accounts.of_token(str(camera.secret)) is None
    renewed = accounts.renew(camera.id, BOSS)
    assert accounts.of_token(token) is None and accounts.of_token(renewed) is not None
    accounts.change(camera.id, Role.MACHINE, True, BOSS)
    assert accounts.of_token(renewed) is None
    with pytest.raises(BlemishError, match="add another user instead"):
        accounts.change(camera.id, Role.OPERATOR, False, BOSS)


def test_nobody_can_remove_the_last_admin(accounts: Accounts) -> None:
    admin = named(accounts, "admin").id
    link = accounts.add("second", Role.ADMIN, BOSS)  # without a password it does not count
    for change in ((Role.ENGINEER, False), (Role.ADMIN, True)):
        with pytest.raises(BlemishError, match="admin is the last admin"):
            accounts.change(admin, *change, BOSS)
    accounts.set_password(link, PASSWORD)
    accounts.change(admin, Role.ENGINEER, False, BOSS)
    with pytest.raises(BlemishError, match="second is the last admin"):
        accounts.change(named(accounts, "second").id, Role.ADMIN, True, BOSS)
    with pytest.raises(BlemishError, match="no user 99"):
        accounts.renew(99, BOSS)


@pytest.mark.parametrize("name", ["", "command line", "a" * 65, "admin"])
def test_names_that_cannot_be_had(accounts: Accounts, name: str) -> None:
    with pytest.raises(BlemishError, match="give another"):
        accounts.add(name, Role.OPERATOR, BOSS)
