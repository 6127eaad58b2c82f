"""The web application: the API and the pages of one station, behind the guard."""

from importlib import resources

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from blemish.errors import BlemishError
from blemish.station.log import event
from blemish.station.problems import StationError, Unavailable
from blemish.station.station import Station
from blemish.station.web import api, control, pages
from blemish.station.web.guard import protect


def create_app(station: Station) -> ASGIApp:
    """The application of a station, which is started and stopped by the caller."""
    return protect(open_app(station), station.settings)


def open_app(station: Station) -> FastAPI:
    """The same without the guard: nobody is asked for a token."""
    app = FastAPI(
        title="Blemish inspection station",
        version="1",
        description="Images in, verdicts and heat maps out.",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # those pages load their scripts from elsewhere
        redoc_url=None,
    )
    app.state.station = station
    app.include_router(api.router)
    app.include_router(control.router)
    app.include_router(pages.router)
    static = str(resources.files("blemish.station.web") / "static")
    app.mount("/static", StaticFiles(directory=static), name="static")
    app.add_exception_handler(StationError, _station_error)
    app.add_exception_handler(BlemishError, _user_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    return app


def _answer(request: Request, status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """JSON for programs, a page for people."""
    if "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/v1/"):
        return pages.error_page(request, status, detail)
    return JSONResponse({"detail": detail}, status, headers)


def _station_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, StationError)
    retry = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return _answer(request, error.status, str(error), retry)


def _user_error(request: Request, error: Exception) -> Response:
    return _answer(request, 422, str(error))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _answer(request, 422, "The body is not JSON; see /v1/openapi.json.")
    place, *path = map(str, first["loc"])
    field = ".".join(path) or place
    return _answer(request, 422, f"{field} cannot be used: {first['msg']}.")


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, OSError):  # while the parts of a form were put aside
        event("upload failed", level="error", error=repr(error.__cause__))
        reason = error.__cause__.strerror
        return _station_error(request, Unavailable(f"The upload cannot be put aside ({reason}); make room."))
    return _answer(
        request,
        error.status_code,
        f"{error.detail}: {request.method} {request.url.path}.",
        dict(error.headers or {}),
    )


def _unexpected(request: Request, error: Exception) -> Response:
    event("request failed", level="error", error=repr(error), path=request.url.path)
    return _answer(request, 500, "The station made a mistake, and has noted it in its log.")
