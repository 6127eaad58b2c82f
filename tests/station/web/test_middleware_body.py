"""Bodies and connections that are too large, too slow or too many, over real connections."""

import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from typing import Any

import pytest
import uvicorn

from blemish.station.web.connections import allow_connections, protocol
from blemish.station.web.guard import protect
from tests.station.guarded import TOKEN, inner, settings


@contextmanager
def served(most: int = 100, **options: Any) -> Iterator[HTTPConnection]:
    chosen = settings(**options)
    listening = socket.create_server(("127.0.0.1", 0))
    http = protocol(chosen.timeout, most)
    config = uvicorn.Config(protect(inner(), chosen), http=http, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    connection = HTTPConnection("127.0.0.1", listening.getsockname()[1], timeout=10)
    try:
        yield connection
    finally:
        connection.close()
        server.should_exit = True
        thread.join()


def answer(connection: HTTPConnection) -> tuple[int, Any]:
    got = connection.getresponse()
    return got.status, json.loads(got.read())


def test_bodies_of_up_to_max_upload_come_in() -> None:
    with served(max_upload=100_000) as connection:
        connection.request("POST", "/v1/inspect", bytes(100_000))
        assert answer(connection) == (200, 100_000)
        connection.request("POST", "/v1/inspect", iter([bytes(50_000)] * 2), encode_chunked=True)
        assert answer(connection) == (200, 100_000)


def test_a_larger_one_is_refused_before_it_is_sent_or_when_it_gets_too_large() -> None:
    with served(max_upload=100_000) as connection:
        connection.putrequest("POST", "/v1/inspect")
        connection.putheader("Content-Length", "100001")
        connection.endheaders()  # and nothing else
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


def test_a_body_sent_whole_though_too_large_is_answered_all_the_same() -> None:
    with served(max_upload=100_000) as connection:
        connection.request("POST", "/v1/inspect", bytes(20_000_000))
        assert answer(connection)[0] == 413


@pytest.mark.parametrize(
    ("status", "path", "headers", "options"),
    [
        (413, "/v1/inspect", {}, {"max_upload": 5_000_000}),
        (401, "/v1/inspect", {}, {"token": TOKEN}),
        (403, "/v1/inspect", {"Origin": "http://evil.example"}, {}),
        (421, "/v1/inspect", {"Host": "evil.example"}, {}),
        (400, "/v1/inspections", {"Content-Type": "multipart/form-data; boundary=x"}, {}),
        (405, "/nowhere", {}, {}),
    ],
)
def test_who_sends_all_of_a_body_and_then_closes_has_every_refusal(
    status: int, path: str, headers: dict[str, str], options: dict[str, Any]
) -> None:
    with served(**options) as connection:
        connection.request("POST", path, bytes(10_000_000), headers | {"Connection": "close"})
        assert answer(connection)[0] == status


def test_who_waits_for_leave_to_send_is_refused_without_it() -> None:
    with served(max_upload=100_000) as connection:
        connection.putrequest("POST", "/v1/inspect")
        connection.putheader("Content-Length", "200000")
        connection.putheader("Expect", "100-continue")
        connection.putheader("Connection", "close")
        connection.endheaders()
        assert connection.sock.recv(12) == b"HTTP/1.1 413"


def test_one_connection_too_many_is_closed_and_there_is_room_again_when_others_end() -> None:
    with served(most=3, timeout=2) as connection:
        place = ("127.0.0.1", connection.port)
        first = [socket.create_connection(place, timeout=10) for _ in range(3)]
        with socket.create_connection(place, timeout=10) as further:
            since = time.monotonic()
            with suppress(ConnectionResetError):
                assert further.recv(1) == b""
            assert time.monotonic() - since < 1.5
        assert [silent.recv(1) for silent in first] == [b""] * 3  # in their turn
        connection.request("GET", "/v1/health")
        assert answer(connection)[0] == 200
        for silent in first:
            silent.close()


def test_files_are_left_for_other_work_than_connections() -> None:
    assert 0 < allow_connections() <= resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with served(timeout=0.3) as connection:
        connection.putrequest("POST", "/v1/inspect")
        connection.putheader("Content-Length", "1000")
        connection.endheaders()
        since = time.monotonic()
        connection.send(b"a little")
        status, body = answer(connection)
        assert status == 408 and "0.3 seconds" in body["detail"]
        assert 0.2 < time.monotonic() - since < 3
