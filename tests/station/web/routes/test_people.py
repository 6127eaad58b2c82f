"""A station with users: who may do what, what is noted of it, and the pages for it."""

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from blemish.station.errors import Unavailable
from blemish.station.records import Author, Role
from blemish.station.settings import Settings
from blemish.station.station import Station
from blemish.station.web import middleware
from blemish.station.web.app import OF_A_RECIPE, OF_THE_STATION, PAGES_OF_A_RECIPE, create_app
from blemish.station.web.deps import Requires
from tests.station.support import encoded, good_part

PASSWORD = "a plain long sentence"
PAGE = {"Accept": "text/html", "Origin": "http://station.example"}
WHY = {"why": "the light is new"}
As = Callable[[str], TestClient]


@pytest.fixture(scope="module")
def station(grey_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """With a user of each role, named like it, and one inspection."""
    root = tmp_path_factory.mktemp("users")
    (root / "grey.onnx").write_bytes(grey_model.read_bytes())
    folder = root / "station"
    station = Station(Settings(model=root / "grey.onnx", folder=folder, users=True, min_free_gb=0))
    assert station.accounts
    station.accounts.set_password(station.accounts.first_link(), PASSWORD)
    for role in (Role.OPERATOR, Role.ENGINEER):
        station.accounts.set_password(station.accounts.add(role, role, Author("admin")), PASSWORD)
    station.start()
    yield station
    station.stop()


@pytest.fixture
def visit(station: Station, monkeypatch: pytest.MonkeyPatch) -> As:
    """A client who has logged in under a name, or not."""
    monkeypatch.setattr(middleware, "WRONG_SECONDS", 0.01)

    def visit(name: str) -> TestClient:
        client = TestClient(create_app(station), base_url="http://station.example", follow_redirects=False)
        client.headers |= PAGE
        if name:
            assert client.post("/login", data={"name": name, "password": PASSWORD}).status_code == 303
        return client

    return visit


def required(route: APIRoute) -> list[Role | None]:
    """The roles that a route's dependencies ask for."""
    waiting, found = [route.dependant], []
    while waiting:
        dependant = waiting.pop()
        waiting += dependant.dependencies
        if isinstance(dependant.call, Requires):
            found.append(dependant.call.role)
    return found


def test_every_route_states_one_role_and_what_needs_none_is_open(station: Station) -> None:
    routers = [*OF_THE_STATION, *OF_A_RECIPE, *PAGES_OF_A_RECIPE]
    everything = [*create_app(station).routes, *(route for router in routers for route in router.routes)]
    routes = [route for route in everything if isinstance(route, APIRoute)]
    roles = {(route.path, method): required(route) for route in routes for method in route.methods}
    assert {place for place, found in roles.items() if len(found) != 1} == set()
    open_ones = {path for (path, _), found in roles.items() if found == [None]}
    assert open_ones == set(middleware.OPEN)
    changing = {place for place, found in roles.items() if place[1] != "GET" and found == [Role.OPERATOR]}
    assert changing == {("/v1/inspections/{number}/feedback", "PUT")}


@pytest.mark.parametrize(
    ("name", "address", "status"),
    [
        ("", "/v1/inspections", 401),
        ("operator", "/v1/inspections", 200),
        ("operator", "/threshold", 403),
        ("operator", "/audit", 403),
        ("engineer", "/threshold", 200),
        ("engineer", "/audit", 200),
        ("engineer", "/users", 403),
        ("admin", "/users", 200),
    ],
)
def test_a_role_that_is_not_enough_is_refused_in_a_sentence(
    visit: As, name: str, address: str, status: int
) -> None:
    answer = visit(name).get(address, headers={"Accept": "*/*"} if not name else {})
    assert answer.status_code == status
    assert status != 403 or f"and yours is {name}; ask an admin." in answer.text
    assert status == 401 or ('href="/users"' in answer.text) == (name == "admin")


def test_a_machine_sends_images_and_nothing_else(visit: As) -> None:
    page = visit("admin").post("/users", data={"name": "camera", "role": "machine"}).text
    token = re.findall(r"<code>([\w-]{30,})</code>", page)[0]
    machine = visit("")
    machine.headers |= {"Authorization": f"Bearer {token}", "Accept": "*/*"}
    assert machine.post("/v1/inspect", content=encoded(good_part(1))).status_code == 201
    assert machine.get("/metrics").status_code == 200
    assert machine.get("/v1/inspections/1").status_code == 403
    machine.headers["Authorization"] = "Bearer wrong"
    assert machine.post("/v1/inspect", content=encoded(good_part(1))).status_code == 401


def test_a_new_user_sets_a_password_logs_in_and_out(visit: As) -> None:
    page = visit("admin").post("/users", data={"name": "anna", "role": "operator"}).text
    link = re.findall(r"<code>http://station.example(/password\?link=[\w-]+)</code>", page)[0]
    anna = visit("")
    assert "For anna, operator of this station" in anna.get(link).text
    secret = link.split("=")[1]
    refused = anna.post("/password", data={"link": secret, "password": "short"})
    assert refused.status_code == 422 and "fewer than 12" in refused.text
    assert anna.post("/password", data={"link": secret, "password": PASSWORD}).status_code == 303
    assert anna.get(link).status_code == 404
    wrong = anna.post("/login", data={"name": "anna", "password": "wrong", "next": "/history"})
    assert wrong.status_code == 401 and "Name or password are wrong" in wrong.text
    answer = anna.post("/login", data={"name": "anna", "password": PASSWORD, "next": "/history"})
    cookie = answer.headers["set-cookie"]
    assert answer.headers["location"] == "/history"
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Max-Age=43200"))
    assert "Logged in as <strong>anna</strong>, operator" in anna.get("/history").text
    forged = anna.put("/v1/inspections/1/feedback", json={}, headers={"Origin": "http://evil.example"})
    assert forged.status_code == 403
    session = dict(anna.cookies)
    anna.post("/logout")
    anna.cookies.update(session)
    assert anna.get("/history").status_code == 303


def test_admins_change_users_and_the_last_one_stays(visit: As, station: Station) -> None:
    admin = visit("admin")
    assert station.accounts
    station.accounts.set_password(station.accounts.add("ben", Role.OPERATOR, Author("admin")), PASSWORD)
    ben = visit("ben")
    number = {user.name: user.id for user in station.accounts.all()}
    assert (
        admin.post(f"/users/{number['ben']}", data={"role": "engineer", "disabled": "yes"}).status_code == 303
    )
    assert ben.get("/history").status_code == 303  # to the login
    refused = admin.post(f"/users/{number['admin']}", data={"role": "operator"})
    assert refused.status_code == 409 and "the last admin" in refused.text
    assert "/password?link=" in admin.post(f"/users/{number['ben']}/secret").text


def test_changes_ask_why_and_are_in_the_page_and_the_table(visit: As, station: Station) -> None:
    engineer, operator = visit("engineer"), visit("operator")
    change = {"false_alarm_rate": 0.1}
    assert operator.put("/v1/threshold", params=WHY, json=change).status_code == 403
    silent = engineer.put("/v1/threshold", json=change)
    assert silent.status_code == 422 and "Say why" in silent.json()["detail"]
    assert engineer.put("/v1/threshold", params=WHY, json=change).status_code == 200
    assert engineer.put("/v1/rules", params={"why": "=1+1"}, json={"defective": 0.01}).status_code == 200
    assert operator.put("/v1/inspections/1/feedback", json={"feedback": "good"}).status_code == 200
    assert "Judged good, by operator, " in operator.get("/inspections/1").text
    text = engineer.get("/audit", params={"kind": "threshold", "who": "", "since": ""}).text
    assert "the light is new" in text and "judgement inspection" not in text
    rows = list(csv.DictReader(engineer.get("/v1/audit.csv").text.splitlines()))
    told = {(row["who"], row["kind"], row["after"], row["why"]) for row in rows}
    assert ("operator", "judgement", "good", "") in told and ("admin", "login", "logged in", "") in told
    assert rows[1]["kind"] == "model" and rows[1]["why"] == "'=1+1" and '"defective":0.01' in rows[1]["after"]
    assert rows[1]["who"] == "engineer" and rows[1]["before"].endswith("rules: none")
    first = [row for row in rows if row["who"] == "command line" and row["kind"] == "model"]
    assert ("command line", "threshold", "No. 1: 2 %, 199 scores, the model file", "") in told
    assert len(first) == 1 and first[0]["after"].startswith("grey.onnx ") and first[0]["before"] == ""


def test_without_the_database_nobody_is_let_in_and_the_health_says_so(
    visit: As, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    engineer = visit("engineer")

    def gone(session: str) -> None:
        raise Unavailable("The database is gone; put it back.")

    monkeypatch.setattr(station.accounts, "of_session", gone)
    answer = engineer.get("/v1/inspections")
    assert answer.status_code == 503 and answer.headers["retry-after"] == "5" and "put it back" in answer.text
    assert engineer.get("/v1/health").json()["parts"] == []
