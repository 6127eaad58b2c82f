"""Logs: one JSON object a line on standard error, with time, level, event and whatever belongs to it."""

import json
import logging
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HIDDEN = "***"
POLLED = ("/live", "/condition", "/v1/health", "/v1/ready", "/metrics", "/static/")  # told only on failure
CROWDED = ("too many connections", "socket.accept() out of system resource")  # told once a minute
SHORTEST_SECRET = 6  # characters; hiding shorter ones would garble ordinary words

_logger = logging.getLogger("blemish.station")


def event(name: str, *, level: str = "info", **fields: Any) -> None:
    """Log what happened.

    Args:
        name: of the event, always the same words.
        level: "debug", "info", "warning" or "error".
        fields: what belongs to it; JSON values, or anything that has a text.
    """
    _logger.log(logging.getLevelNamesMapping()[level.upper()], name, extra={"fields": fields})


def configure(secrets: Sequence[str] = ()) -> None:
    """Send all logs of this process, other libraries' too, to standard error as lines of JSON.

    Args:
        secrets: texts of at least six characters that are replaced wherever they would appear.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(secrets))
    handler.addFilter(Seldom(CROWDED))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in ("blemish", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)


class Seldom(logging.Filter):
    """Passes records whose text begins with one of `beginnings` once a minute each, and all others."""

    def __init__(self, beginnings: Sequence[str]) -> None:
        super().__init__()
        self._due = dict.fromkeys(beginnings, 0.0)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it."""
        text = record.getMessage()
        beginning = next((one for one in self._due if text.startswith(one)), None)
        if beginning is None:
            return True
        if record.created < self._due[beginning]:
            return False
        self._due[beginning] = record.created + 60
        return True


class JsonLines(logging.Formatter):
    """A record as one line of JSON; times are UTC."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        long_enough = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
        spellings = {form for secret in long_enough for form in (secret, quote(secret, safe=""))}
        self._secrets = sorted((json.dumps(form)[1:-1] for form in spellings), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if record.name != _logger.name:
            line["logger"] = record.name
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = json.dumps(line, default=str)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text


class AccessLog:
    """An ASGI middleware: a line for each request, without its query and headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        since, status = time.monotonic(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            polled = 0 < status < 400 and scope["path"].startswith(POLLED)
            event(
                "request",
                level="debug" if polled else "info",
                method=scope["method"],
                path=scope["path"],
                status=status or None,
                milliseconds=round(1000 * (time.monotonic() - since), 1),
                client=(scope.get("client") or ("",))[0],
            )
