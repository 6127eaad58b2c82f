"""What the API says of itself and of what is wrong, and requests that nobody would send on purpose."""

import socket
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable

from tests.station.support import Running, bad_part, good_part

schemathesis = pytest.importorskip("schemathesis")

pytestmark = pytest.mark.slow


def test_health_readiness_and_figures(running: Running) -> None:
    health = running.client.get("/v1/health").json()
    assert health["status"] == "ok"
    assert {part["name"] for part in health["parts"]} >= {"database", "disk", "model"}
    assert running.client.get("/v1/ready").status_code == 200
    alarms = 'inspections_total{recipe="grey",source="api",verdict="anomalous"}'
    running.inspect(bad_part(9))
    before = running.figure(alarms)
    running.inspect(bad_part(10))
    assert running.figure(alarms) == before + 1


def test_the_openapi_document_names_every_route_and_problem(running: Running) -> None:
    document = running.client.get("/v1/openapi.json").json()
    assert "/v1/inspect" in document["paths"] and "/v1/threshold" in document["paths"]
    for path, methods in document["paths"].items():
        for method in methods.values():
            assert method["summary"], path
            schema = method["responses"]["422"]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}


def test_unknown_places_and_methods_answer_in_sentences(running: Running) -> None:
    assert running.client.get("/v1/nothing").json() == {"detail": "Not Found: GET /v1/nothing."}
    assert running.client.delete("/v1/health").status_code == 405
    assert running.client.get("/v1/inspections/0").status_code == 422
    assert running.client.get("/v1/inspections/12345678").status_code == 404


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.name)
def test_requests_made_from_the_document(running: Running, mode: "schemathesis.GenerationMode") -> None:
    for seed in range(3):
        running.inspect(good_part(seed))
    document = schemathesis.openapi.from_url(f"{running.url}/v1/openapi.json")
    statuses: Counter[int] = Counter()

    for found in document.get_all_operations():
        operation = found.ok()

        @settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(operation.as_strategy(generation_mode=mode))
        def send(case: schemathesis.Case) -> None:
            answer = case.call(timeout=30)
            statuses[answer.status_code] += 1
            assert answer.status_code < 500, answer.text
            case.operation.validate_response(answer)

        with suppress(Unsatisfiable):  # what takes nothing cannot be sent anything wrong
            send()
    assert sum(statuses.values()) > 100
    assert running.client.get("/v1/ready").status_code == 200


POST = b"POST /v1/inspect HTTP/1.1\r\nHost: localhost\r\n"
FORM = b"POST /v1/inspections HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data"


@pytest.mark.parametrize(
    "raw",
    [
        POST + b"Content-Length: -5\r\n\r\n",
        POST + b"Content-Length: many\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        FORM + b"\r\nContent-Length: 4\r\n\r\nabcd",
        FORM + b"; boundary=x\r\nContent-Length: 10\r\n\r\n--x\r\n\r\n\r\n\r\n",
    ],
)
def test_broken_http_is_no_500_and_ends_nothing(running: Running, raw: bytes) -> None:
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        assert not connection.recv(4096).startswith(b"HTTP/1.1 5")
    assert running.client.get("/v1/ready").status_code == 200
