"""What a request may bring: so many bytes, within so many seconds; and what becomes of the rest."""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blemish.station.problems import StationError, TooLarge, TooSlow

DISCARDED = 4  # times the largest body that is taken
DISCARDING = 5  # seconds


class BodyLimits:
    """An ASGI middleware that refuses bodies: too large (413), too late (408), of no true length (400).

    Args:
        app: never sees more of a body than is allowed.
        max_bytes: of a body.
        seconds: from the headers to the end of the body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        length = Headers(scope=scope).get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 20):
            return await refusal_of(400, "Content-Length is a whole number of bytes.")(scope, receive, send)
        if int(length) > self.max_bytes:
            return await refusal_of(413, self._too_large)(scope, receive, send)
        refusal: JSONResponse | None = None
        left, ended, started = self.max_bytes, False, False
        deadline = asyncio.get_running_loop().time() + self.seconds

        async def limited() -> Message:
            nonlocal refusal, left, ended
            if ended:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                sentence = f"The request did not arrive within {self.seconds:g} seconds; send it again."
                refusal = refusal_of(408, sentence, {"Connection": "close"})
                raise TooSlow(sentence) from None
            left -= len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if left < 0:
                refusal = refusal_of(413, self._too_large)
                raise TooLarge(self._too_large)
            return message

        async def watched(message: Message) -> None:
            nonlocal started
            if refusal is None or started:  # else what the app makes of it is replaced
                started = True
                await send(message)

        try:
            await self.app(scope, limited, watched)
        except StationError:
            if refusal is None:
                raise
        if refusal is not None and not started:
            await refusal(scope, receive, send)

    @property
    def _too_large(self) -> str:
        most = f"{self.max_bytes} bytes"
        return f"The request is larger than the {most} that are taken; send smaller files, or fewer at once."


class Discarding:
    """An ASGI middleware: an answer given before the body is there also reaches who sends all of it first.

    The rest of the body is thrown away before the connection may be closed: up to four times the largest body
    that is taken, for up to five seconds. Who waits for "100 Continue" is not asked to send.

    Args:
        app: may answer at any time.
        max_bytes: of a body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = Headers(scope=scope)
        coming = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        waiting = "expect" in headers

        async def noting() -> Message:
            nonlocal coming, waiting
            waiting = False
            message = await receive()
            coming = message.get("more_body", False)
            return message

        async def discard() -> None:
            left = DISCARDED * self.max_bytes
            with suppress(TimeoutError):
                async with asyncio.timeout(DISCARDING):
                    while coming and left > 0:
                        left -= len((await noting()).get("body", b""))

        async def finishing(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if last and coming and not waiting:
                await send({**message, "more_body": True})
                await discard()
                message = {"type": "http.response.body"}
            await send(message)

        await self.app(scope, noting, finishing)


def refusal_of(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An answer that says in a sentence why there is no better one."""
    return JSONResponse({"detail": sentence}, status, headers)
