"""What every request passes before a route: whether it may come in, and how much of a body it may bring."""

import asyncio
import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blemish.station.errors import Unavailable
from blemish.station.records import Role, User
from blemish.station.settings import Settings
from blemish.station.storage.accounts import SESSION, Accounts

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers hide the Origin of the login form too
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
SAFE = ("GET", "HEAD", "OPTIONS")
OPEN = ("/login", "/logout", "/password", "/v1/health", "/v1/ready")
OPEN_FOLDER = "/static/"
LOCAL = ("localhost", "localhost.", "127.0.0.1", "::1")
PORTS = {"http": 80, "https": 443}
TOKEN_LOGIN = 30 * 86_400  # seconds that a browser stays logged in by a token
WRONG_SECONDS = 0.5  # before a wrong token or password is refused


@dataclass
class Security:
    """Security headers on every answer, and refusals of what must not come in, by host, origin and token.

    Requests reach the application with `scope["state"]["user"]`: who they come from, or None. Only `OPEN` and
    /static/ are reached without.
    """

    app: ASGIApp
    settings: Settings
    accounts: Accounts | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = HTTPConnection(scope)
        state = scope.setdefault("state", {})
        try:
            state["user"] = await self._user(request)
            unknown = None if state["user"] else _no_token(request)
        except Unavailable as error:
            wait = {"Retry-After": str(error.retry_after)}
            state["user"] = None
            unknown = None if _is_open(request) else _refused(error.status, str(error), wait)
        refusal = self._wrong_host(request) or self._other_site(request) or unknown
        await (refusal or self.app)(scope, receive, with_headers)

    def _wrong_host(self, request: HTTPConnection) -> Response | None:
        """Without a token, no other site may get in by a name that it lets lead here (DNS rebinding)."""
        name, _ = _place("http", request.headers.get("host", ""))
        if not self.settings.asks_nobody or name in (*LOCAL, self.settings.host.strip("[]").lower()):
            return None
        return _refused(421, "This station answers to localhost alone; set a token to use another name.")

    def _other_site(self, request: HTTPConnection) -> Response | None:
        """What changes something must not come from another site's page, nor without a token any picture."""
        headers = request.headers
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if _bearer(request) is not None:
            own = True
        elif request.scope["method"] in SAFE:
            embedded = site == "cross-site" and headers.get("sec-fetch-mode", "navigate") != "navigate"
            own = not embedded or not self.settings.asks_nobody
        elif origin is None and site is None:  # no browser
            own = cookie_name(self.settings) not in request.cookies
        else:
            own = _is_own(origin, headers.get("host", "")) and site in (None, "same-origin", "none")
        foreign = "The request comes from another site's page; use the station's own, or a token."
        return None if own else _refused(403, foreign)

    async def _user(self, request: HTTPConnection) -> User | None:
        """By the Bearer token, else by the cookie, or whoever it is where nobody is asked."""
        token, cookie = _bearer(request), request.cookies.get(cookie_name(self.settings), "")
        if self.settings.asks_nobody:
            return User(name="whoever uses this machine", role=Role.ADMIN)
        if self.accounts is None:
            known = _same(cookie, _cookie_value(self.settings))
            known = known if token is None else await is_token(self.settings, token)
            return User(name="whoever has the token", role=Role.ADMIN) if known else None
        if token is None:
            return await run_in_threadpool(self.accounts.of_session, cookie) if cookie else None
        machine = await run_in_threadpool(self.accounts.of_token, token)
        if machine is None:
            await asyncio.sleep(WRONG_SECONDS)
        return machine


@dataclass
class BodyLimits:
    """Refuses bodies that are too large (413), or whose end comes too late after the headers (408)."""

    app: ASGIApp
    max_bytes: int
    seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        announced = int(Headers(scope=scope).get("content-length", 0))
        most = f"the {self.max_bytes} bytes that are taken"
        too_large = f"The request is larger than {most}; send smaller files, or fewer at once."
        left, ended = self.max_bytes, False
        deadline = asyncio.get_running_loop().time() + self.seconds

        async def limited() -> Message:
            nonlocal left, ended
            if ended:
                return await receive()
            if announced > self.max_bytes:  # before the sender is asked to go on
                raise HTTPException(413, too_large)
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                sentence = f"The request did not arrive within {self.seconds:g} seconds; send it again."
                raise HTTPException(408, sentence, {"Connection": "close"}) from None
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, too_large)
            ended = not message.get("more_body", False)
            return message

        await self.app(scope, limited, send)


def _refused(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": sentence}, status, headers)


def _no_token(request: HTTPConnection) -> Response | None:
    path = request.scope["path"]
    if _is_open(request):
        return None
    if request.scope["method"] == "GET" and "text/html" in request.headers.get("accept", ""):
        query = request.scope["query_string"].decode("latin-1")
        asked = f"{path}?{query}" if query else path
        return RedirectResponse(f"/login?next={quote(asked, safe='')}", 303)
    sentence = "Log in, or send a token: Authorization: Bearer TOKEN."
    return _refused(401, sentence, {"WWW-Authenticate": "Bearer"})


def _is_open(request: HTTPConnection) -> bool:
    path: str = request.scope["path"]
    return path in OPEN or path.startswith(OPEN_FOLDER)


def _is_own(origin: str | None, host: str) -> bool:
    if origin is None:
        return True
    scheme, _, place = origin.partition("://")
    name, port = _place(scheme, place)
    return name is not None and (name, port) == _place(scheme, host)


def _place(scheme: str, host: str) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(f"{scheme}://{host}")
        return parts.hostname, parts.port or PORTS.get(scheme)
    except ValueError:
        return None, None


async def is_token(settings: Settings, text: str) -> bool:
    """Whether this is the token; a wrong one costs half a second."""
    assert settings.token is not None
    if _same(text, settings.token.get_secret_value()):
        return True
    await asyncio.sleep(WRONG_SECONDS)
    return False


def _bearer(request: HTTPConnection) -> str | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def cookie_name(settings: Settings) -> str:
    """Of the login; browsers share cookies between the ports of a machine, so the port is in it."""
    return f"blemish_{settings.port}"


def login_cookie(settings: Settings, origin: str = "", session: str = "") -> dict[str, Any]:
    """Arguments for `Response.set_cookie` that log a browser in, by a session or by a digest of the token.

    Where `origin`, as the browser says, is https, as through a proxy, it never goes without TLS either.
    """
    return {
        "key": cookie_name(settings),
        "value": session or _cookie_value(settings),
        "max_age": int(SESSION.total_seconds()) if session else TOKEN_LOGIN,
        "secure": settings.tls_key is not None or origin.startswith("https://"),
        "httponly": True,
        "samesite": "strict",
    }


def _cookie_value(settings: Settings) -> str:
    assert settings.token is not None
    return hmac.digest(settings.token.get_secret_value().encode(), b"blemish page", "sha256").hex()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
