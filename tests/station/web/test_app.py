"""What the API says of itself and of what is wrong; health and figures."""

import pytest

from tests.station.support import Running, bad_part

pytestmark = pytest.mark.slow


def test_health_readiness_and_figures(running: Running) -> None:
    health = running.client.get("/v1/health").json()
    assert health["status"] == "ok"
    assert {part["name"] for part in health["parts"]} >= {"database", "disk", "model"}
    assert running.client.get("/v1/ready").status_code == 200
    running.inspect(bad_part(9))
    before = running.client.get("/metrics").text
    running.inspect(bad_part(10))
    after = running.client.get("/metrics").text
    line = 'blemish_inspections_total{source="api",verdict="anomalous"} '
    assert float(after.split(line)[1].split()[0]) == float(before.split(line)[1].split()[0]) + 1


def test_the_openapi_document_names_every_route_and_problem(running: Running) -> None:
    document = running.client.get("/v1/openapi.json").json()
    assert "/v1/inspect" in document["paths"] and "/v1/threshold" in document["paths"]
    for path, methods in document["paths"].items():
        for method in methods.values():
            assert method["summary"], path
            assert "422" in method["responses"]
            schema = method["responses"]["422"]["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}


def test_unknown_places_and_methods_answer_in_sentences(running: Running) -> None:
    assert running.client.get("/v1/nothing").json() == {"detail": "Not Found: GET /v1/nothing."}
    assert running.client.delete("/v1/health").status_code == 405
    assert running.client.get("/v1/inspections/0").status_code == 422
    assert running.client.get("/v1/inspections/12345678").status_code == 404
