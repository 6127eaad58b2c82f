"""One station behind one web server, from start to end."""

import asyncio
import logging
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from blemish.errors import ConfigError
from blemish.station import logs
from blemish.station.settings import Settings, remarks
from blemish.station.station import Station
from blemish.station.storage.database import SQLITE
from blemish.station.storage.files import LOCK, PREFIXES, UNFINISHED
from blemish.station.web.app import create_app

HEADER_BYTES = 16_384  # of one request, at most
CONNECTIONS = 500  # at once; a process may open about a thousand files where nobody has said otherwise
KEEP_ALIVE_SECONDS = 10  # that an idle connection is kept
ENDING_SECONDS = 0.1  # between looks for connections to end, while it is being stopped

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Ends connections, too, that are made while it is told to stop: a busy client would keep it running."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        ending = asyncio.create_task(self._end_connections())
        await super().shutdown(sockets)
        ending.cancel()

    async def _end_connections(self) -> None:
        while True:
            await asyncio.sleep(ENDING_SECONDS)
            for connection in list(self.server_state.connections):
                connection.shutdown()


def serve(settings: Settings, *, check: bool = False) -> None:
    """Run a station until SIGTERM or SIGINT; what was accepted by then is finished.

    `check` only sees whether it can start, else BlemishError; nothing stays that had to be made for it.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # the server raises it again when it has ended by it
    with listen(settings) as listening:
        address = url(settings, listening.getsockname()[1])
        if check:
            _try(settings)
            return _say(" ".join([f"The station can start at {address}.", *remarks(settings)]))
        logs.configure(settings.secrets)
        station = Station(settings)
        _say(f"The station starts at {address} (Ctrl-C stops it).")
        if station.accounts and (link := station.accounts.first_link()):
            _say(f"Set the admin's password, once and within 48 hours: {address}/password?link={link}")
        for remark in remarks(settings):
            logger.warning(remark)
        server = Server(
            uvicorn.Config(
                create_app(station),
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=round(2 * settings.timeout) + 1,  # arrive, and be answered
                h11_max_incomplete_event_size=HEADER_BYTES,
                ssl_certfile=settings.tls_certificate,
                ssl_keyfile=settings.tls_key,
            )
        )
        station.start()
        try:
            server.run([listening])
        finally:
            station.stop()


def _try(settings: Settings) -> None:
    """Take everything that a start takes; files and folders that had to be made are removed again."""
    folder = settings.folder.absolute()
    inside = [folder / name for name in (LOCK, UNFINISHED, *PREFIXES)]
    database = Path(settings.store_url.partition(SQLITE)[2])  # "." for another than SQLite
    made = [path for path in (*folder.parents[::-1], folder, *inside, database) if not path.exists()]
    try:
        Station(settings).close()
    finally:
        for path in reversed(made):
            with suppress(OSError):  # it was not made, or is not empty
                path.rmdir() if path.is_dir() else path.unlink()


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def listen(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say; ConfigError where that address cannot be had."""
    host = settings.host.strip("[]")
    try:
        family, *_, address = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family)
    except socket.gaierror as error:
        raise ConfigError(
            f"The host {settings.host!r} is not known ({error.strerror}); give an address of this machine."
        ) from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise ConfigError(
            f"Port {settings.port} of {settings.host} cannot be had ({reason}); "
            "give another --port, 0 for any free one, or a --host of this machine."
        ) from None
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else small answers wait 40 ms
    return listening


def url(settings: Settings, port: int) -> str:
    """Where people find the station that listens on a port."""
    host = settings.host.strip("[]")
    if host in ("0.0.0.0", "::"):  # every address of this machine
        host = socket.gethostname()
    scheme = "http" if settings.tls_key is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
