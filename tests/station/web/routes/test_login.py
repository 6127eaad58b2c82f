"""The login: who is let in, for how long, and where to."""

import asyncio
from pathlib import Path

import pytest

from blemish.station.web.middleware import is_token
from blemish.station.web.routes.login import local_path
from tests.station.support import TOKEN, running_station
from tests.station.web.support import page_of, settings


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
        for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example"):
            answer = client.post("/login", data={"token": TOKEN, "next": elsewhere})
            assert answer.status_code == 303, answer.text
            assert answer.headers["location"] == "/"
        assert (
            client.post("/login", data={"token": TOKEN, "next": "/models"}).headers["location"] == "/models"
        )
        assert "grey.onnx" in page_of(client, "/models")
        assert client.get("/login?next=/history").headers["location"] == "/history"
        assert client.post("/logout").headers["location"] == "/login"
        assert client.get("/models").status_code == 303


def test_the_login_knows_the_token() -> None:
    assert asyncio.run(is_token(settings(token=TOKEN), TOKEN))
    assert not asyncio.run(is_token(settings(token=TOKEN), "\udcff"))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/inspections?a=b", "/inspections?a=b"),
        ("/", "/"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("https://evil.example", "/"),
        ("inspections", "/"),
    ],
)
def test_the_login_leads_nowhere_else(given: str, kept: str) -> None:
    assert local_path(given) == kept
