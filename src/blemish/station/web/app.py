"""The web application: the API and the pages of one station."""

import logging
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware import Middleware
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from blemish.errors import BlemishError
from blemish.station.errors import Unavailable
from blemish.station.schemas import Problem
from blemish.station.station import Station
from blemish.station.web.deps import name_recipe
from blemish.station.web.middleware import HEADERS, BodyLimits, Security
from blemish.station.web.pages import fragment, page
from blemish.station.web.routes import gallery, inspections, learning, models, operation, people, pictures

OF_THE_STATION = (
    *(inspections.one, pictures.router, operation.router),
    *(gallery.router, people.router, people.table),
)
OF_A_RECIPE = (inspections.router, learning.router, models.router)
PAGES_OF_A_RECIPE = (operation.pages, learning.pages, models.pages, gallery.report)

PROBLEMS = (400, 401, 403, 404, 408, 409, 413, 421, 422, 503, 504)  # the answers that are no success

logger = logging.getLogger(__name__)


def create_app(station: Station) -> FastAPI:
    """The application of a station, which is started and stopped by the caller."""
    settings = station.settings
    app = FastAPI(
        title="Blemish inspection station",
        version="1",
        description="Images in, verdicts and heat maps out.",
        openapi_url="/v1/openapi.json",
        responses={code: {"model": Problem} for code in PROBLEMS},
        docs_url=None,  # those pages load their scripts from elsewhere
        redoc_url=None,
        middleware=[
            Middleware(Security, settings=settings, accounts=station.accounts),
            Middleware(BodyLimits, max_bytes=settings.max_upload, seconds=settings.timeout),
        ],
    )
    app.add_exception_handler(BlemishError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    app.state.station = station
    for router in OF_THE_STATION:
        app.include_router(router)
    for routers, prefix in ((OF_A_RECIPE, "/v1"), (PAGES_OF_A_RECIPE, "")):
        for router in routers:  # of the default recipe, and of each by its name
            app.include_router(router, prefix=prefix)
            named = f"{prefix}/recipes/{{recipe}}"
            app.include_router(router, prefix=named, dependencies=[Depends(name_recipe)])
    app.mount("/static", StaticFiles(packages=[("blemish.station.web", "static")]), name="static")
    return app


def _answer(request: Request, status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """JSON for programs, a page for people."""
    if "text/html" not in request.headers.get("accept", "") or request.url.path.startswith("/v1/"):
        return JSONResponse({"detail": sentence}, status, headers)
    if request.state.user:
        return page(request, "problem.html.j2", status=status, code=status, sentence=sentence)
    return fragment(request, "refusal.html.j2", status=status, code=status)


def _refused(request: Request, error: Any) -> Response:
    retry = getattr(error, "retry_after", None)
    headers = {} if retry is None else {"Retry-After": str(retry)}
    return _answer(request, getattr(error, "status", 422), str(error), headers)


def _invalid(request: Request, error: Any) -> Response:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _answer(request, 422, "The body is not JSON; see /v1/openapi.json.")
    place, *path = map(str, first["loc"])
    return _answer(request, 422, f"{'.'.join(path) or place} cannot be used: {first['msg']}.")


def _http_error(request: Request, error: Any) -> Response:
    if isinstance(error.__cause__, OSError):  # while the parts of a form were put aside
        logger.error("upload failed", extra={"error": repr(error.__cause__)})
        reason = error.__cause__.strerror
        return _refused(request, Unavailable(f"The upload cannot be put aside ({reason}); make room."))
    sentence = error.detail
    if not sentence.endswith("."):
        sentence = f"{sentence}: {request.method} {request.url.path}."
    return _answer(request, error.status_code, sentence, dict(error.headers or {}))


def _unexpected(request: Request, error: Exception) -> Response:  # which the server logs
    response = _answer(request, 500, "The station made a mistake, and has noted it in its log.")
    response.headers.update(HEADERS)  # this answer passes no middleware
    return response
