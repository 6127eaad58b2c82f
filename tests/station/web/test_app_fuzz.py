"""Requests that nobody would send on purpose: no 5xx, no crash, no hang."""

import socket
from collections import Counter
from contextlib import suppress

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from tests.station.support import Running, good_part

schemathesis = pytest.importorskip("schemathesis")


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.name)
def test_requests_made_from_the_openapi_document(
    running: Running, mode: "schemathesis.GenerationMode"
) -> None:
    for seed in range(3):
        running.inspect(good_part(seed))
    document = schemathesis.openapi.from_url(f"{running.url}/v1/openapi.json")
    statuses: Counter[int] = Counter()

    for found in document.get_all_operations():
        operation = found.ok()

        @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(generation_mode=mode))
        def send(case: schemathesis.Case) -> None:
            answer = case.call(timeout=30)
            statuses[answer.status_code] += 1
            assert answer.status_code < 500, answer.text
            case.operation.validate_response(answer)

        with suppress(Unsatisfiable):  # what takes nothing cannot be sent anything wrong
            send()
    assert sum(statuses.values()) > 200
    assert httpx2.get(f"{running.url}/v1/ready").status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /v1/inspect HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/inspect HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n",
        b"POST /v1/inspect HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /v1/inspections HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data\r\n"
        b"Content-Length: 4\r\n\r\nabcd",
        b"POST /v1/inspections HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n\r\n\r\n\r\n",
    ],
)
def test_broken_http_is_no_500_and_ends_nothing(running: Running, raw: bytes) -> None:

    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(4096)
    assert not answer.startswith(b"HTTP/1.1 5")
    assert httpx2.get(f"{running.url}/v1/ready").status_code == 200
