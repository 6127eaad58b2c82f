"""Whether a station would start with its settings: `blemish serve --check`. Changes nothing."""

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from blemish.errors import BlemishError
from blemish.inference.detector import Detector
from blemish.station.settings import Settings, remarks
from blemish.station.station import store_url
from blemish.station.storage.database import SQLITE, postgresql_engine, postgresql_url, sqlite_path
from blemish.station.storage.files import GIGABYTE
from blemish.station.storage.migrating import revision
from blemish.station.web.server import listen, url


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes:
        name: of the check.
        message: what is there, or what is wrong and how to mend it.
        problem: whether a start would fail, or accept nothing.
    """

    name: str
    message: str
    problem: bool = False

    def __str__(self) -> str:
        return f"{'PROBLEM' if self.problem else 'ok':<8} {self.name}: {self.message}"


def check(settings: Settings) -> list[Finding]:
    """Look at everything that a station needs, also while one runs with these settings.

    Args:
        settings: which are sound in themselves, token and TLS files among them.
    """
    in_use = _in_use(settings.folder / ".lock")
    checks: dict[str, Callable[[], str]] = {
        "model": lambda: _model(settings),
        "folder": lambda: _folder(settings, in_use),
        "disk": lambda: _disk(settings),
        "store": lambda: _store(settings),
        "watch": lambda: _watch(settings),
        "address": lambda: _address(settings, in_use),
        "access": lambda: _access(settings),
    }
    findings = []
    for name, look in checks.items():
        try:
            findings.append(Finding(name, look()))
        except BlemishError as error:
            findings.append(Finding(name, str(error), problem=True))
        except OSError as error:
            findings.append(
                Finding(name, f"{error.filename} cannot be used: {error.strerror}.", problem=True)
            )
    return findings


def _model(settings: Settings) -> str:
    detector = Detector.load(
        settings.model, engine=settings.engine, threads=settings.threads, device=settings.device
    )
    return f"{settings.model} ({detector.metadata['method']})."


def _folder(settings: Settings, in_use: bool) -> str:
    folder = settings.folder
    if in_use:
        return f"{folder} is in use by a running station."
    if not folder.exists():
        _check_writable(_nearest(folder))
        return f"{folder} will be made."
    _check_writable(folder)
    return f"{folder}."


def _disk(settings: Settings) -> str:
    free = shutil.disk_usage(_nearest(settings.folder)).free / GIGABYTE
    if free < settings.min_free_gb:
        raise BlemishError(
            f"{free:.2g} GB are free, less than {settings.min_free_gb:g}; make room or give --min-free-gb."
        )
    return f"{free:.3g} GB are free."


def _store(settings: Settings) -> str:
    place = store_url(settings)
    if not place.startswith(SQLITE):
        server = postgresql_url(place)
        return _found(postgresql_engine(server), server.set(query={}).render_as_string(hide_password=True))
    file = sqlite_path(place)
    if not file.exists():
        _check_writable(file.parent if settings.store else _nearest(file.parent))
        return f"{file} will be made."
    # neither makes files beside it, which might be another user's then
    way = "mode=ro" if Path(f"{file}-wal").exists() else "immutable=1"
    address = f"file:{quote(str(file))}?{way}"
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=NullPool
    )
    return _found(engine, str(file))


def _found(engine: Engine, name: str) -> str:
    """Reads and writes nothing else; tables of an earlier version are brought up to date at the start."""
    try:
        with engine.connect() as connection:
            present = revision(connection, name)
    except (SQLAlchemyError, sqlite3.Error) as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise BlemishError(
            f"The database cannot be read ({reason}); mend it or give another --store."
        ) from None
    finally:
        engine.dispose()
    return "it is there." if present else "it is there, and still empty."


def _watch(settings: Settings) -> str:
    if settings.watch is None:
        return "no folder is watched."
    if settings.move_to is not None:
        _check_writable(settings.watch)
        _check_writable(_nearest(settings.move_to))
        return f"{settings.watch}, then {settings.move_to}."
    os.scandir(settings.watch).close()
    return f"{settings.watch}; images stay there."


def _address(settings: Settings, in_use: bool) -> str:
    if in_use and settings.port:
        return f"{url(settings, settings.port)}, not tried while a station runs."
    with listen(settings) as listening:
        return f"{url(settings, listening.getsockname()[1])} is free."


def _access(settings: Settings) -> str:
    known = "a token is asked for" if settings.token else "no token is asked for, from this machine alone"
    return " ".join([f"{known}.", *remarks(settings)])


def _in_use(lock: Path) -> bool:
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _nearest(folder: Path) -> Path:
    """The folder itself, or what is there of the path to it."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def _check_writable(folder: Path) -> None:
    if not folder.is_dir():
        raise BlemishError(f"{folder} is no folder; remove it or give another.")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise BlemishError(f"{folder} cannot be written; give this user the right, or give another folder.")
