"""The page of the users, for admins: people and machines, their roles, links and tokens."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from blemish.station.records import Author, Role, Text
from blemish.station.storage.accounts import Accounts
from blemish.station.web.deps import AccountsDep, Admin, RecordNumber
from blemish.station.web.pages import page

router = APIRouter(prefix="/users", include_in_schema=False)


@router.get("")
def users_page(request: Request, accounts: AccountsDep, _: Admin) -> Response:
    return _page(request, accounts)


@router.post("")
def add_user(
    request: Request,
    accounts: AccountsDep,
    admin: Admin,
    name: Annotated[Text, Form()],
    role: Annotated[Role, Form()],
) -> Response:
    return _page(request, accounts, name.strip(), accounts.add(name.strip(), role, Author(admin.name)))


@router.post("/{number}")
def change_user(
    accounts: AccountsDep,
    admin: Admin,
    number: RecordNumber,
    role: Annotated[Role, Form()],
    disabled: Annotated[bool, Form()] = False,
) -> Response:
    accounts.change(number, role, disabled, Author(admin.name))
    return RedirectResponse("/users", 303)


@router.post("/{number}/secret")
def renew_secret(request: Request, accounts: AccountsDep, admin: Admin, number: RecordNumber) -> Response:
    secret = accounts.renew(number, Author(admin.name))
    name = next(user.name for user in accounts.all() if user.id == number)
    return _page(request, accounts, name, secret)


def _page(request: Request, accounts: Accounts, name: str = "", secret: str = "") -> Response:
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
