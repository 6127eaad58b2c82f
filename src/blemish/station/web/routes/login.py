"""The login: asks for the token, or a name and its password, and keeps who knows them logged in."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from blemish.station.errors import Unusable
from blemish.station.records import Text
from blemish.station.web import middleware
from blemish.station.web.deps import AccountsDep, Anyone, StationDep
from blemish.station.web.middleware import cookie_name, is_token, login_cookie
from blemish.station.web.pages import fragment

router = APIRouter(include_in_schema=False)


@router.get("/login")
def login(request: Request, station: StationDep, user: Anyone, next: str = "/") -> Response:
    if user:
        return RedirectResponse(local_path(next), 303)
    users = station.settings.users
    return fragment(request, "login.html.j2", users=users, next=local_path(next), problem="")


@router.post("/login")
async def log_in(
    request: Request,
    station: StationDep,
    _: Anyone,
    token: Annotated[str, Form()] = "",
    name: Annotated[Text, Form()] = "",
    password: Annotated[Text, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    settings, accounts, session = station.settings, station.accounts, ""
    if settings.asks_nobody:
        return RedirectResponse(local_path(next), 303)
    if accounts is None:
        right = await is_token(settings, token.strip())
    else:
        async with accounts.checking:  # one at a time, so that nobody tries many at once
            session = await run_in_threadpool(accounts.log_in, name.strip(), password)
            if not (right := session != ""):
                await asyncio.sleep(middleware.WRONG_SECONDS)
    if right:
        response = RedirectResponse(local_path(next), 303)
        response.set_cookie(**login_cookie(settings, request.headers.get("origin", ""), session))
        return response
    problem = "This is not the token of this station; look at how it was set up."
    if settings.users:
        problem = "Name or password are wrong; an admin of this station can give you a new link."
    values = {"users": settings.users, "next": local_path(next), "problem": problem}
    return fragment(request, "login.html.j2", status=401, **values)


@router.post("/logout")
def log_out(request: Request, station: StationDep, user: Anyone) -> Response:
    name = cookie_name(station.settings)
    if user and station.accounts is not None:
        station.accounts.log_out(request.cookies.get(name, ""), user.name)
    response = RedirectResponse("/" if station.settings.asks_nobody else "/login", 303)
    response.delete_cookie(name)
    return response


@router.get("/password")
def password_page(request: Request, accounts: AccountsDep, _: Anyone, link: str) -> Response:
    return fragment(request, "password.html.j2", user=accounts.invited(link), link=link, problem="")


@router.post("/password")
def set_password(
    request: Request,
    accounts: AccountsDep,
    _: Anyone,
    link: Annotated[str, Form()],
    password: Annotated[Text, Form()] = "",
) -> Response:
    user = accounts.invited(link)
    try:
        accounts.set_password(link, password)
    except Unusable as error:
        values = {"user": user, "link": link, "problem": str(error)}
        return fragment(request, "password.html.j2", status=422, **values)
    return RedirectResponse("/login", 303)


def local_path(text: str) -> str:
    """Where to go after the login: `text` if it is a path on this station, else "/"."""
    elsewhere = not text.startswith("/") or text[1:2] in ("/", "\\") or not text.isprintable()
    return "/" if elsewhere else text
