"""What is let in, what is refused and how, and what every answer has."""

import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from blemish.station.web import middleware
from tests.station.support import TOKEN
from tests.station.web.support import guarded, settings

BEARER = {"Authorization": f"Bearer {TOKEN}"}
PAGE = {"Accept": "text/html,*/*"}


def client(base: str = "http://localhost", **options: Any) -> TestClient:
    return TestClient(guarded(**options), base_url=base, follow_redirects=False)


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(middleware, "WRONG_TOKEN_SECONDS", 0.05)
    return client("http://station.example:8000", token=TOKEN, host="0.0.0.0")


def logged_in(client: TestClient, **options: Any) -> None:
    cookie = middleware.login_cookie(settings(token=TOKEN, **options))
    client.cookies.set(cookie["key"], cookie["value"])


# headers


def test_every_answer_has_the_security_headers(locked: TestClient) -> None:
    for answer in (locked.get("/v1/health"), locked.get("/v1/inspections"), locked.get("/", headers=PAGE)):
        headers = answer.headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'" and "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers


def test_an_answer_may_be_kept_if_it_says_so() -> None:
    assert client().get("/static/station.css").headers["cache-control"] == "max-age=60"


# host


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
def test_without_a_token_this_machines_names_are_answered(host: str) -> None:
    answer = client().get("/", headers={"Host": host})
    assert (answer.status_code, answer.json()) == (200, True)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "[", "evil@localhost:x"]
)
def test_without_a_token_other_names_are_not(host: str) -> None:
    answer = client().get("/", headers={"Host": host})
    assert answer.status_code == 421 and "localhost alone" in answer.json()["detail"]


def test_the_address_it_listens_on_is_a_name_of_it() -> None:
    assert client(host="127.0.0.5").get("/", headers={"Host": "127.0.0.5:8000"}).status_code == 200


def test_with_a_token_any_name_is_answered(locked: TestClient) -> None:
    assert locked.get("/", headers=BEARER | {"Host": "line3.factory.example"}).status_code == 200


# origin


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost"},
        {"Origin": "http://LOCALHOST:80"},
        {"Origin": "https://localhost"},  # behind a proxy with TLS
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_own_pages_and_programs_may_post(headers: dict[str, str]) -> None:
    assert client().post("/v1/inspect", content=b"image", headers=headers).json() == 5


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_other_sites_may_not(headers: dict[str, str]) -> None:
    answer = client().post("/v1/inspect", content=b"image", headers=headers)
    assert answer.status_code == 403 and "another site" in answer.json()["detail"]
    assert client().get("/", headers=headers).status_code == 200


def test_a_cookie_alone_does_not_let_a_request_without_origin_change_things(locked: TestClient) -> None:
    logged_in(locked)
    assert locked.get("/v1/inspections").json() is True
    assert locked.post("/v1/inspect", content=b"image").status_code == 403
    own = {"Origin": "http://station.example:8000"}
    assert locked.post("/v1/inspect", content=b"image", headers=own).status_code == 200
    assert locked.post("/v1/inspect", content=b"image", headers=BEARER).status_code == 200


# token


def test_what_is_open_without_a_token(locked: TestClient) -> None:
    for path in ("/login", "/static/station.js", "/v1/health", "/v1/ready"):
        assert locked.get(path).json() is False
        assert locked.get(path, headers=BEARER).json() is True
    assert locked.post("/login", data={"token": "x"}).json() == "login"


@pytest.mark.parametrize(
    "path", ["/", "/metrics", "/v1/openapi.json", "/v1/healthy", "/login/x", "/static", "/v1/health/"]
)
def test_what_is_not(locked: TestClient, path: str) -> None:
    answer = locked.get(path)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json()["detail"]


@pytest.mark.parametrize(
    "header",
    ["Bearer wrong-wrong-wrong-wrong", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xff"],
)
def test_wrong_tokens_are_refused(locked: TestClient, header: str) -> None:
    answer = locked.get("/v1/inspections", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


def test_a_wrong_token_costs_time_and_locks_nobody_out(locked: TestClient) -> None:
    since = time.monotonic()
    assert locked.get("/v1/inspections", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert time.monotonic() - since >= 0.05
    assert locked.get("/v1/inspections", headers=BEARER).status_code == 200


def test_a_browser_is_sent_to_the_login_and_back(locked: TestClient) -> None:
    answer = locked.get("/inspections?text=a%20b&x=1", headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Finspections%3Ftext%3Da%2520b%26x%3D1"
    assert locked.post("/v1/inspect", headers=PAGE).status_code == 401


def test_the_cookie_logs_in_and_does_not_tell_the_token(locked: TestClient) -> None:
    cookie = middleware.login_cookie(settings(token=TOKEN))
    assert cookie["httponly"] and cookie["samesite"] == "strict" and not cookie["secure"]
    assert middleware.login_cookie(settings(token=TOKEN), "https://station.example")[
        "secure"
    ]  # through a proxy
    assert TOKEN not in cookie["value"] and len(cookie["value"]) == 64
    logged_in(locked)
    assert locked.get("/", headers=PAGE).json() is True
    other = middleware.login_cookie(settings(token=TOKEN + "-changed"))
    locked.cookies.clear()
    locked.cookies.set(other["key"], other["value"])
    assert locked.get("/v1/inspections").status_code == 401


def test_pictures_are_not_shown_in_other_sites_pages() -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client().get("/hello", headers=foreign).status_code == 403
    assert client().get("/hello", headers=foreign | {"Sec-Fetch-Mode": "navigate"}).status_code == 200
