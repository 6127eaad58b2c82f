"""Bodies that are too large or too slow, over real connections."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

import pytest

from tests.station.support import served
from tests.station.web.support import guarded

pytestmark = pytest.mark.slow


@contextmanager
def connected(**options: Any) -> Iterator[HTTPConnection]:
    with served(guarded(**options)) as url:
        connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
        yield connection
        connection.close()


def answer(connection: HTTPConnection) -> tuple[int, Any]:
    got = connection.getresponse()
    return got.status, json.loads(got.read())


def test_bodies_of_up_to_max_upload_come_in() -> None:
    with connected(max_upload=100_000) as connection:
        connection.request("POST", "/v1/inspect", bytes(100_000))
        assert answer(connection) == (200, 100_000)
        connection.request("POST", "/v1/inspect", iter([bytes(50_000)] * 2), encode_chunked=True)
        assert answer(connection) == (200, 100_000)


def test_a_larger_one_is_refused_before_it_is_sent_or_when_it_gets_too_large() -> None:
    with connected(max_upload=100_000) as connection:
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
    with connected(max_upload=100_000) as connection:
        connection.request("POST", "/v1/inspect", bytes(20_000_000))
        assert answer(connection)[0] == 413


def test_who_waits_for_leave_to_send_is_refused_without_it() -> None:
    with connected(max_upload=100_000) as connection:
        connection.putrequest("POST", "/v1/inspect")
        connection.putheader("Content-Length", "200000")
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        assert connection.sock.recv(12) == b"HTTP/1.1 413"


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with connected(timeout=0.3) as connection:
        connection.putrequest("POST", "/v1/inspect")
        connection.putheader("Content-Length", "1000")
        connection.endheaders()
        since = time.monotonic()
        connection.send(b"a little")
        status, body = answer(connection)
        assert status == 408 and "0.3 seconds" in body["detail"]
        assert 0.2 < time.monotonic() - since < 3
