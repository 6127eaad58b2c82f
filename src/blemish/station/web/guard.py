"""What stands before the application: headers, host, origin, token and size, in this order."""

from urllib.parse import quote, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blemish.station.log import AccessLog
from blemish.station.settings import Settings
from blemish.station.web.body import BodyLimits, Discarding, refusal_of
from blemish.station.web.login import authorised, bearer, has_cookie

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


def protect(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The application with everything that stands before it.

    Requests reach it with `scope["state"]["authorised"]`: whether they came with the token. Only /login,
    /static/, /v1/health and /v1/ready are reached without.
    """
    limited = BodyLimits(app, settings.max_upload, settings.timeout)
    return AccessLog(Discarding(Guard(limited, settings), settings.max_upload))


class Guard:
    """An ASGI middleware: security headers on every answer, and refusals of what must not come in.

    Args:
        app: reached by those requests alone that may be served.
        settings: of the station.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        connection = HTTPConnection(scope)
        known = await authorised(self.settings, connection)
        scope.setdefault("state", {})["authorised"] = known
        refusal = (
            self._wrong_host(connection)
            or self._other_origin(connection)
            or (None if known else self._no_token(connection))
        )
        await (refusal or self.app)(scope, receive, with_headers)

    def _wrong_host(self, connection: HTTPConnection) -> Response | None:
        """Without a token, no other site may get in by a name that it lets lead here (DNS rebinding)."""
        name, _ = _place("http", connection.headers.get("host", ""))
        if self.settings.token is not None or name in (*LOCAL, self.settings.host.strip("[]").lower()):
            return None
        return refusal_of(421, "This station answers to localhost alone; set a token to use another name.")

    def _other_origin(self, connection: HTTPConnection) -> Response | None:
        """What changes something must not come from another site's page, nor without a token any picture."""
        headers = connection.headers
        if bearer(connection) is not None:
            return None
        if connection.scope["method"] in SAFE:
            embedded = (
                headers.get("sec-fetch-site") == "cross-site"
                and headers.get("sec-fetch-mode", "navigate") != "navigate"
            )
            return _OTHER_SITE if embedded and self.settings.token is None else None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is None and site is None:  # no browser
            trusted = self.settings.token is None or not has_cookie(self.settings, connection)
        else:
            trusted = _is_own(origin, headers.get("host", "")) and site in (None, "same-origin", "none")
        if trusted:
            return None
        return _OTHER_SITE

    def _no_token(self, connection: HTTPConnection) -> Response | None:
        path = connection.scope["path"]
        if path in OPEN or path.startswith(OPEN_FOLDER):
            return None
        if connection.scope["method"] == "GET" and "text/html" in connection.headers.get("accept", ""):
            query = connection.scope["query_string"].decode("latin-1")
            asked = f"{path}?{query}" if query else path
            return RedirectResponse(f"/login?next={quote(asked, safe='')}", 303)
        sentence = "Send the station's token: Authorization: Bearer TOKEN."
        return refusal_of(401, sentence, {"WWW-Authenticate": "Bearer"})


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


_OTHER_SITE = refusal_of(
    403, "The request comes from another site's page; use the station's own, or a token."
)
