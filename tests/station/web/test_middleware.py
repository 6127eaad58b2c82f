"""What is let in, what is refused and how, what every answer has, and how much of a body is taken."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import pytest
from starlette.testclient import TestClient

from blemish.station.web import middleware
from tests.station.support import TOKEN, served
from tests.station.web.support import guarded, settings

BEARER = {"Authorization": f"Bearer {TOKEN}"}
PAGE = {"Accept": "text/html,*/*"}


def client(base: str = "http://localhost", **options: Any) -> TestClient:
    return TestClient(guarded(**options), base_url=base, follow_redirects=False)


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(middleware, "WRONG_SECONDS", 0.05)
    return client("http://station.example:8000", token=TOKEN, host="0.0.0.0")


def log_in(client: TestClient, token: str) -> None:
    cookie = middleware.login_cookie(settings(token=token))
    client.cookies.clear()
    client.cookies.set(cookie["key"], cookie["value"])


def test_every_answer_has_the_security_headers(locked: TestClient) -> None:
    for answer in (locked.get("/v1/health"), locked.get("/v1/inspections"), locked.get("/", headers=PAGE)):
        headers = answer.headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'" and "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store" and "strict-transport-security" not in headers
    assert client().get("/static/station.css").headers["cache-control"] == "max-age=60"  # it says so


def test_without_a_token_this_machines_names_alone_are_answered(locked: TestClient) -> None:
    for host in ("localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST", "127.0.0.5:80"):
        assert client(host="127.0.0.5").get("/", headers={"Host": host}).json() is True, host
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "[", "evil@localhost:x"):
        answer = client().get("/", headers={"Host": host})
        assert answer.status_code == 421 and "localhost alone" in answer.json()["detail"], host
        assert locked.get("/", headers=BEARER | {"Host": host}).status_code == 200, host


@pytest.mark.parametrize(
    ("own", "headers"),
    [
        (True, {}),
        (True, {"Origin": "http://localhost"}),
        (True, {"Origin": "http://LOCALHOST:80"}),
        (True, {"Origin": "https://localhost"}),  # behind a proxy with TLS
        (True, {"Sec-Fetch-Site": "same-origin"}),
        (True, {"Sec-Fetch-Site": "none"}),
        (True, {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}),
        (False, {"Origin": "http://evil.example"}),
        (False, {"Origin": "http://localhost:9999"}),
        (False, {"Origin": "null"}),
        (False, {"Origin": ""}),
        (False, {"Origin": "http://["}),
        (False, {"Sec-Fetch-Site": "cross-site"}),
        (False, {"Sec-Fetch-Site": "same-site"}),
        (False, {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"}),
        (False, {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}),
    ],
)
def test_own_pages_and_programs_may_post_and_other_sites_may_not(own: bool, headers: dict[str, str]) -> None:
    answer = client().post("/v1/inspect", content=b"image", headers=headers)
    assert answer.status_code == (200 if own else 403)
    assert answer.json() == 5 if own else "another site" in answer.json()["detail"]
    assert client().get("/", headers=headers).status_code == 200


def test_pictures_are_not_shown_in_other_sites_pages() -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client().get("/hello", headers=foreign).status_code == 403
    assert client().get("/hello", headers=foreign | {"Sec-Fetch-Mode": "navigate"}).status_code == 200


def test_what_is_open_without_a_token_and_what_is_not(locked: TestClient) -> None:
    for path in ("/login", "/password", "/static/station.js", "/v1/health", "/v1/ready"):
        assert locked.get(path).json() is False
        assert locked.get(path, headers=BEARER).json() is True
    assert locked.post("/login", data={"token": "x"}).json() == len("token=x")
    for path in ("/", "/metrics", "/v1/openapi.json", "/v1/healthy", "/login/x", "/static", "/v1/health/"):
        answer = locked.get(path)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer" in answer.json()["detail"]


@pytest.mark.parametrize(
    "header",
    ["Bearer wrong-wrong-wrong-wrong", "Bearer", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xff"],
)
def test_wrong_tokens_are_refused_and_lock_nobody_out(locked: TestClient, header: str) -> None:
    since = time.monotonic()
    answer = locked.get("/v1/inspections", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert "Bearer" not in header or time.monotonic() - since >= 0.05  # guessing takes its time
    assert locked.get("/v1/inspections", headers=BEARER).status_code == 200
    assert not asyncio.run(middleware.is_token(settings(token=TOKEN), "\udcff"))


def test_a_browser_is_sent_to_the_login_and_back(locked: TestClient) -> None:
    answer = locked.get("/inspections?text=a%20b&x=1", headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Finspections%3Ftext%3Da%2520b%26x%3D1"
    assert locked.post("/v1/inspect", headers=PAGE).status_code == 401


def test_the_cookie_logs_in_and_does_not_tell_the_token(locked: TestClient) -> None:
    cookie = middleware.login_cookie(settings(token=TOKEN))
    assert cookie["httponly"] and cookie["samesite"] == "strict" and not cookie["secure"]
    assert TOKEN not in cookie["value"] and len(cookie["value"]) == 64
    assert middleware.login_cookie(settings(token=TOKEN), "https://station.example")["secure"]  # a proxy
    log_in(locked, TOKEN)
    assert locked.get("/", headers=PAGE).json() is True
    assert locked.post("/v1/inspect", content=b"image").status_code == 403  # without Origin
    own = {"Origin": "http://station.example:8000"}
    assert locked.post("/v1/inspect", content=b"image", headers=own).status_code == 200
    assert locked.post("/v1/inspect", content=b"image", headers=BEARER).status_code == 200
    log_in(locked, TOKEN + "-changed")
    assert locked.get("/v1/inspections").status_code == 401


@contextmanager
def connected(**options: Any) -> Iterator[HTTPConnection]:
    with served(guarded(**options)) as url:
        connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
        yield connection
        connection.close()


def announce(connection: HTTPConnection, **headers: str) -> None:
    """The head of a request whose body does not come."""
    connection.putrequest("POST", "/v1/inspect")
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()


def answer(connection: HTTPConnection) -> tuple[int, Any]:
    got = connection.getresponse()
    return got.status, json.loads(got.read())


@pytest.mark.slow
def test_bodies_of_up_to_max_upload_come_in_and_no_larger_ones() -> None:
    with connected(max_upload=100_000) as connection:
        connection.request("POST", "/v1/inspect", bytes(100_000))
        assert answer(connection) == (200, 100_000)
        connection.request("POST", "/v1/inspect", iter([bytes(50_000)] * 2), encode_chunked=True)
        assert answer(connection) == (200, 100_000)

        announce(connection, Content_Length="100001")
        status, body = answer(connection)
        assert status == 413 and "100000 bytes" in body["detail"]
        connection.close()
        connection.request("POST", "/v1/inspect", iter([bytes(60_000)] * 2), encode_chunked=True)
        assert answer(connection)[0] == 413
        fields = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        chunks = iter([fields, bytes(60_000), bytes(60_000), b"\r\n--x--\r\n"])
        connection.request("POST", "/v1/inspections", chunks, form, encode_chunked=True)
        assert answer(connection)[0] == 413
        connection.request("POST", "/v1/inspect", bytes(20_000_000))
        assert answer(connection)[0] == 413
        connection.close()
        announce(connection, Content_Length="200000", Expect="100-continue")
        assert connection.sock.recv(12) == b"HTTP/1.1 413"  # without leave to send it


@pytest.mark.slow
def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with connected(timeout=0.3) as connection:
        announce(connection, Content_Length="1000")
        since = time.monotonic()
        connection.send(b"a little")
        status, body = answer(connection)
        assert status == 408 and "0.3 seconds" in body["detail"]
        assert 0.2 < time.monotonic() - since < 3
