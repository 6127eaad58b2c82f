"""A small application behind the station's middleware, pages as the server writes them, links, a login."""

import json
import re
from typing import Any

import httpx2
from fastapi import FastAPI, Request, Response
from fastapi.middleware import Middleware

from blemish.station.settings import Settings, load_settings
from blemish.station.web.middleware import BodyLimits, Security

PASSWORD = "a plain long sentence"


def settings(**options: Any) -> Settings:
    """A station's, with a model that is not there."""
    return load_settings(**{"model": "parts.onnx", "port": 0} | options)


def guarded(**options: Any) -> FastAPI:
    """Says whether it knows who the request comes from, and takes bodies."""
    chosen = settings(**options)
    app = FastAPI(
        middleware=[
            Middleware(Security, settings=chosen),
            Middleware(BodyLimits, max_bytes=chosen.max_upload, seconds=chosen.timeout),
        ]
    )

    @app.get("/{path:path}")
    def read(request: Request, path: str) -> Response:
        headers = {"Cache-Control": "max-age=60"} if path == "static/station.css" else {}
        return Response(
            json.dumps(request.state.user is not None), headers=headers, media_type="application/json"
        )

    @app.post("/{path:path}")
    async def take(request: Request, path: str) -> int:
        if path == "v1/inspections":
            return len((await request.form()).getlist("images"))
        return len(await request.body())

    return app


def page_of(client: httpx2.Client, address: str, status: int = 200) -> str:
    """A page as the server writes it."""
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def cards_of(text: str) -> list[int]:
    """Numbers of the inspections whose cards are on a page, in their order."""
    return [int(number) for number in re.findall(r'<a class="card" href="/inspections/(\d+)', text)]


def follow(link: Any) -> None:
    """Click what leads to another page, and wait until that and its scripts are loaded."""
    with link.page.expect_navigation():
        link.click()


def log_in(page: Any, name: str) -> None:
    """Fill in the page of the login, and wait for what comes after it."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    follow(page.get_by_role("button", name="Log in"))
