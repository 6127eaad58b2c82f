"""Whether a station could start with its settings: `blemish serve --check`. Changes nothing."""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from blemish.errors import BlemishError, reason_of
from blemish.inference.detector import Detector
from blemish.station.settings import Settings, remarks
from blemish.station.storage.database import SQLITE, postgresql_engine, sqlite_path
from blemish.station.storage.migrations import revision
from blemish.station.web.server import listen, url


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        name: of the check.
        message: what is there, or what is wrong and how to mend it.
        problem: whether a start would fail.
    """

    name: str
    message: str
    problem: bool = False

    def __str__(self) -> str:
        return f"{'PROBLEM' if self.problem else 'ok':<8} {self.name}: {self.message}"


def check(settings: Settings) -> list[Finding]:
    """Look at what a station needs to start.

    Args:
        settings: which are sound in themselves, token and TLS files among them.
    """
    checks: dict[str, Callable[[Settings], str]] = {
        "model": _model,
        "folder": _folder,
        "store": _store,
        "address": _address,
        "access": _access,
    }
    return [_finding(name, look, settings) for name, look in checks.items()]


def _finding(name: str, look: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, look(settings))
    except BlemishError as error:
        return Finding(name, str(error), problem=True)
    except Exception as error:
        reason = reason_of(getattr(error, "orig", None) or error)
        return Finding(name, f"It cannot be used ({reason}); mend that.", problem=True)


def _model(settings: Settings) -> str:
    detector = Detector.load(
        settings.model, engine=settings.engine, threads=settings.threads, device=settings.device
    )
    return f"{settings.model} ({detector.metadata['method']})."


def _folder(settings: Settings) -> str:
    folder = settings.folder.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not (nearest.is_dir() and os.access(nearest, os.R_OK | os.W_OK | os.X_OK)):
        raise BlemishError(f"{nearest} is no folder that this user can write; give another --folder.")
    return f"{folder}." if nearest == folder else f"{folder} will be made."


def _store(settings: Settings) -> str:
    place = settings.store_url
    if not place.startswith(SQLITE):
        engine = postgresql_engine(place)
    else:
        file = sqlite_path(place)
        if settings.store and not file.parent.is_dir():
            raise BlemishError(f"There is no folder {file.parent}; make it, or give another --store.")
        if not file.exists():
            return f"{file} will be made."
        read_only = f"file:{quote(str(file))}?mode=ro"
        engine = create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(read_only, uri=True), poolclass=NullPool
        )
    with engine.connect() as connection:
        present = revision(connection, engine.url.database or "")
    engine.dispose()
    return "it is there." if present else "it is there, and still empty."


def _address(settings: Settings) -> str:
    with listen(settings) as listening:
        return f"{url(settings, listening.getsockname()[1])} is free."


def _access(settings: Settings) -> str:
    known = "a token is asked for" if settings.token else "no token is asked for, from this machine alone"
    return " ".join([f"{known}.", *remarks(settings)])
