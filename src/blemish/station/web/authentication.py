"""The token: who knows it, by header or by cookie."""

import asyncio
import hmac
from typing import Any

from starlette.requests import HTTPConnection

from blemish.station.settings import Settings

DAYS = 30  # that a browser stays logged in
WRONG_TOKEN_SECONDS = 0.5  # before a wrong token is refused


async def is_authorised(settings: Settings, connection: HTTPConnection) -> bool:
    """Whether a request may be served: by its Bearer token, else by its cookie, or because none is needed."""
    if settings.token is None:
        return True
    if (token := bearer(connection)) is not None:
        return await is_token(settings, token)
    return has_cookie(settings, connection)


async def is_token(settings: Settings, text: str) -> bool:
    """Whether this is the token; a wrong one costs half a second."""
    if _same(text, _token(settings)):
        return True
    await asyncio.sleep(WRONG_TOKEN_SECONDS)
    return False


def bearer(connection: HTTPConnection) -> str | None:
    """The token in the Authorization header, if it is of that kind."""
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def has_cookie(settings: Settings, connection: HTTPConnection) -> bool:
    """Whether the browser is logged in."""
    return _same(connection.cookies.get(cookie_name(settings), ""), _cookie_value(settings))


def cookie_name(settings: Settings) -> str:
    """Of the login; browsers share cookies between the ports of a machine, so the port is in it."""
    return f"blemish_{settings.port}"


def login_cookie(settings: Settings, origin: str = "") -> dict[str, Any]:
    """Arguments for `Response.set_cookie` that log a browser in; the cookie does not reveal the token.

    Args:
        settings: of the station.
        origin: as the browser says; with https, through a proxy, the cookie never goes without TLS either.
    """
    return {
        "key": cookie_name(settings),
        "value": _cookie_value(settings),
        "max_age": DAYS * 86_400,
        "path": "/",
        "secure": settings.tls_key is not None or origin.startswith("https://"),
        "httponly": True,
        "samesite": "strict",
    }


def _token(settings: Settings) -> str:
    assert settings.token is not None
    return settings.token.get_secret_value()


def _cookie_value(settings: Settings) -> str:
    return hmac.digest(_token(settings).encode(), b"blemish page", "sha256").hex()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
