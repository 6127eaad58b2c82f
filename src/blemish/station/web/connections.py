"""Connections: how many there may be at once, and for how long one may be silent."""

import asyncio
import resource

from uvicorn.protocols.http.h11_impl import H11Protocol

from blemish.station.log import event

MOST_FILES = 65_536  # open at once that are asked of the system
MOST_CONNECTIONS = 1_000


class Connection(H11Protocol):
    """One connection, which is closed when it brings no complete header in time, or is one too many.

    The time begins when it is made, and again whenever an answer is complete.

    Attributes:
        seconds: for a complete header.
        most: connections at once.
    """

    seconds: float
    most: int
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It begins."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            event("too many connections", level="warning", most=self.most)
            transport.abort()
        else:
            self._wait()

    def on_response_complete(self) -> None:
        """A request is answered."""
        super().on_response_complete()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(self.seconds, self._end_unless_busy)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _end_unless_busy(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def protocol(seconds: float, most: int) -> type[Connection]:
    """Connections for a server.

    Args:
        seconds: in which each must bring a complete header.
        most: at once; further ones are closed as they come.
    """
    return type("LimitedConnection", (Connection,), {"seconds": seconds, "most": most})


def allow_connections() -> int:
    """Raise the soft limit of open files as far as the system lets it.

    Returns:
        How many connections there may be at once: most of the files are left to the process's other work.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return min(MOST_CONNECTIONS, files // 4)
