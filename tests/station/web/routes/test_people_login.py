"""The login: who is let in, and where to."""

from pathlib import Path

import pytest

from blemish.station.web.routes.people import local_path
from tests.station.support import TOKEN, running_station
from tests.station.web.support import page_of


@pytest.mark.slow
def test_login(tmp_path: Path) -> None:
    with running_station(tmp_path, token=TOKEN) as it:
        client = it.client
        client.headers |= {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}  # as browsers say
        asked = client.get("/inspections?verdict=good")
        assert asked.status_code == 303
        form = page_of(client, asked.headers["location"])
        assert 'name="next" value="/inspections?verdict=good"' in form and "grey.onnx" not in form
        wrong = client.post("/login", data={"token": "another token", "next": "/models"})
        assert wrong.status_code == 401 and "This is not the token" in wrong.text
        assert 'name="next" value="/models"' in wrong.text and "another token" not in wrong.text
        assert "grey.onnx" not in page_of(client, "/static/nothing", status=404)
        for wanted, given in (("//evil.example", "/"), ("/models", "/models")):
            answer = client.post("/login", data={"token": TOKEN, "next": wanted})
            assert (answer.status_code, answer.headers["location"]) == (303, given)
        assert "grey.onnx" in page_of(client, "/models")
        assert client.get("/login?next=/history").headers["location"] == "/history"
        assert client.post("/logout").headers["location"] == "/login"
        assert client.get("/models").status_code == 303


def test_the_login_leads_nowhere_else() -> None:
    assert local_path("/inspections?a=b") == "/inspections?a=b"
    evil = ("//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example")
    assert {local_path(elsewhere) for elsewhere in ("", "x", *evil)} == {"/"}
