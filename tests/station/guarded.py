"""Settings of a station, and a small application to guard."""

import json
from typing import Any

from fastapi import FastAPI, Request, Response, UploadFile

from blemish.station.settings import Settings, load_settings

TOKEN = "correct-horse-battery-staple"


def settings(**options: Any) -> Settings:
    """A station's, with a model that is not there."""
    return load_settings(model="parts.onnx", **{"port": 0} | options)


def inner() -> FastAPI:
    """Says whether the request came with the token, and takes bodies."""
    app = FastAPI()

    @app.get("/{path:path}")
    def read(request: Request, path: str) -> Response:
        headers = {"Cache-Control": "max-age=60"} if path == "static/station.css" else {}
        return Response(json.dumps(request.state.authorised), headers=headers, media_type="application/json")

    @app.post("/v1/inspect")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.post("/v1/inspections")
    async def several(images: list[UploadFile]) -> int:
        return len(images)

    @app.post("/login")
    def log_in() -> str:
        return "login"

    return app
