"""What every request passes before a route: whether it may come in, and how much of a body it may bring."""

import asyncio
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blemish.station.settings import Settings
from blemish.station.web.authentication import bearer, has_cookie, is_authorised

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
OPEN = ("/login", "/v1/health", "/v1/ready")
OPEN_FOLDER = "/static/"
LOCAL = ("localhost", "localhost.", "127.0.0.1", "::1")
PORTS = {"http": 80, "https": 443}


@dataclass
class Security:
    """Security headers on every answer, and refusals of what must not come in, by host, origin and token.

    Requests reach the application with `scope["state"]["authorised"]`: whether they came with the token.
    Only /login, /static/, /v1/health and /v1/ready are reached without.
    """

    app: ASGIApp
    settings: Settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        request = HTTPConnection(scope)
        authorised = await is_authorised(self.settings, request)
        scope.setdefault("state", {})["authorised"] = authorised
        refusal = (
            self._wrong_host(request)
            or self._other_site(request)
            or (None if authorised else _no_token(request))
        )
        await (refusal or self.app)(scope, receive, with_headers)

    def _wrong_host(self, request: HTTPConnection) -> Response | None:
        """Without a token, no other site may get in by a name that it lets lead here (DNS rebinding)."""
        name, _ = _place("http", request.headers.get("host", ""))
        if self.settings.token is not None or name in (*LOCAL, self.settings.host.strip("[]").lower()):
            return None
        return refused(421, "This station answers to localhost alone; set a token to use another name.")

    def _other_site(self, request: HTTPConnection) -> Response | None:
        """What changes something must not come from another site's page, nor without a token any picture."""
        headers = request.headers
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if bearer(request) is not None:
            own = True
        elif request.scope["method"] in SAFE:
            embedded = site == "cross-site" and headers.get("sec-fetch-mode", "navigate") != "navigate"
            own = not embedded or self.settings.token is not None
        elif origin is None and site is None:  # no browser
            own = self.settings.token is None or not has_cookie(self.settings, request)
        else:
            own = _is_own(origin, headers.get("host", "")) and site in (None, "same-origin", "none")
        sentence = "The request comes from another site's page; use the station's own, or a token."
        return None if own else refused(403, sentence)


@dataclass
class BodyLimits:
    """Refuses bodies that are too large (413), or whose end comes too late after the headers (408).

    The application never sees more of a body than is allowed.
    """

    app: ASGIApp
    max_bytes: int
    seconds: float

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        announced = int(Headers(scope=scope).get("content-length", 0))
        most = f"{self.max_bytes} bytes"
        too_large = (
            f"The request is larger than the {most} that are taken; send smaller files, or fewer at once."
        )
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


def refused(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An answer that says in a sentence why there is no better one."""
    return JSONResponse({"detail": sentence}, status, headers)


def _no_token(request: HTTPConnection) -> Response | None:
    path = request.scope["path"]
    if path in OPEN or path.startswith(OPEN_FOLDER):
        return None
    if request.scope["method"] == "GET" and "text/html" in request.headers.get("accept", ""):
        query = request.scope["query_string"].decode("latin-1")
        asked = f"{path}?{query}" if query else path
        return RedirectResponse(f"/login?next={quote(asked, safe='')}", 303)
    sentence = "Send the station's token: Authorization: Bearer TOKEN."
    return refused(401, sentence, {"WWW-Authenticate": "Bearer"})


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
