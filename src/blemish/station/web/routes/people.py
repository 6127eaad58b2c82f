"""Who comes, who may, and who did what: the login, the users and the audit trail."""

import asyncio
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse

from blemish.station.errors import Unusable
from blemish.station.records import Author, Kind, Role, Text
from blemish.station.schemas import AuditQuery
from blemish.station.spreadsheet import AUDIT, csv_of
from blemish.station.storage.accounts import Accounts
from blemish.station.storage.audit import AT_ONCE, entries, every_entry
from blemish.station.web import middleware
from blemish.station.web.deps import AccountsDep, Admin, Anyone, Engineer, RecordNumber, StationDep
from blemish.station.web.middleware import cookie_name, is_token, login_cookie
from blemish.station.web.pages import download, fragment, page

router = APIRouter(include_in_schema=False)
table = APIRouter(tags=["operation"])


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


@router.get("/users")
def users_page(request: Request, accounts: AccountsDep, _: Admin) -> Response:
    return _all_users(request, accounts)


@router.post("/users")
def add_user(
    request: Request,
    accounts: AccountsDep,
    admin: Admin,
    name: Annotated[Text, Form()],
    role: Annotated[Role, Form()],
) -> Response:
    return _all_users(request, accounts, name.strip(), accounts.add(name.strip(), role, Author(admin.name)))


@router.post("/users/{number}")
def change_user(
    accounts: AccountsDep,
    admin: Admin,
    number: RecordNumber,
    role: Annotated[Role, Form()],
    disabled: Annotated[bool, Form()] = False,
) -> Response:
    accounts.change(number, role, disabled, Author(admin.name))
    return RedirectResponse("/users", 303)


@router.post("/users/{number}/secret")
def renew_secret(request: Request, accounts: AccountsDep, admin: Admin, number: RecordNumber) -> Response:
    secret = accounts.renew(number, Author(admin.name))
    name = next(user.name for user in accounts.all() if user.id == number)
    return _all_users(request, accounts, name, secret)


def _all_users(request: Request, accounts: Accounts, name: str = "", secret: str = "") -> Response:
    users = accounts.all()
    link = any(user.name == name and user.role != Role.MACHINE for user in users)
    place = request.headers.get("origin") or str(request.base_url).rstrip("/")
    return page(
        request,
        "users.html.j2",
        users=users,
        roles=list(Role),
        name=name,
        secret=secret,
        link=f"{place}/password?link={secret}" if link else "",
    )


@router.get("/audit")
def audit_page(
    request: Request, station: StationDep, _: Engineer, query: Annotated[AuditQuery, Query()]
) -> Response:
    found = entries(station.store.database, query)
    narrowing = {name: text for name, text in request.query_params.items() if text and name != "before"}
    return page(
        request,
        "audit.html.j2",
        entries=found,
        kinds=list(Kind),
        asked=request.query_params,
        query=urlencode(narrowing),
        older=found[-1].id if len(found) == AT_ONCE else None,
    )


@table.get("/v1/audit.csv", response_class=Response)
def audit_csv(station: StationDep, _: Engineer, query: Annotated[AuditQuery, Query()]) -> Response:
    """Every change of a threshold, a model, rules, a judgement or a user, and the logins, as a table."""
    found = every_entry(station.store.database, query)
    return download("audit.csv", "text/csv; charset=utf-8", csv_of(AUDIT, found))
