"""The login: asks for the token, and keeps who knows it logged in."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from blemish.station.web.deps import StationDep
from blemish.station.web.middleware import cookie_name, is_token, login_cookie
from blemish.station.web.pages import fragment

router = APIRouter(include_in_schema=False)


@router.get("/login")
def login(request: Request, next: str = "/") -> Response:
    """Asks for the token."""
    if request.state.authorised:
        return RedirectResponse(local_path(next), 303)
    return fragment(request, "login.html.j2", next=local_path(next), problem="")


@router.post("/login")
async def log_in(
    request: Request,
    station: StationDep,
    token: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Lets in who knows the token."""
    settings = station.settings
    if settings.token is None:
        return RedirectResponse(local_path(next), 303)
    if await is_token(settings, token.strip()):
        response = RedirectResponse(local_path(next), 303)
        response.set_cookie(**login_cookie(settings, request.headers.get("origin", "")))
        return response
    problem = "This is not the token of this station; look at how it was set up."
    return fragment(request, "login.html.j2", status=401, next=local_path(next), problem=problem)


@router.post("/logout")
def log_out(station: StationDep) -> Response:
    """Makes the browser forget the login."""
    settings = station.settings
    response = RedirectResponse("/login" if settings.token is not None else "/", 303)
    response.delete_cookie(cookie_name(settings))
    return response


def local_path(text: str) -> str:
    """Where to go after the login: `text` if it is a path on this station, else "/"."""
    elsewhere = not text.startswith("/") or text[1:2] in ("/", "\\") or not text.isprintable()
    return "/" if elsewhere else text
