"""What a request may bring: so many bytes, within so many seconds."""

import asyncio

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blemish.station.problems import StationError, TooLarge, TooSlow


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
            return await _refuse(400, "Content-Length is a whole number of bytes.")(scope, receive, send)
        if int(length) > self.max_bytes:
            return await _refuse(413, self._too_large)(scope, receive, send)
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
                refusal = _refuse(408, sentence, {"Connection": "close"})
                raise TooSlow(sentence) from None
            left -= len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if left < 0:
                refusal = _refuse(413, self._too_large)
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
        return f"The request is larger than {self.max_bytes} bytes; send less at once."


def _refuse(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": sentence}, status, headers)
