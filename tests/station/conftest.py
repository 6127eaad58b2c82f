"""Shared by the tests of the station: a model, empty databases, a watched folder."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blemish.station import watched_folder
from blemish.station.watched_folder import WatchedFolder
from tests.station.support import Inspector, Watch, until, write_grey_model

UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
SECONDS_TO_START = 30


class PostgreSQL:
    """A server of our own, reached by a socket in its folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        if self._user:
            shutil.chown(folder, self._user)
        options = ("--username=blemish", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
        subprocess.run(
            [programs / "initdb", "--pgdata", folder / "data", *options],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=folder,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-F"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-c", "listen_addresses="],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self.folder,
            )
        until(lambda: self._psql("SELECT 1").returncode == 0, SECONDS_TO_START)

    def stop(self) -> None:
        """Stop it; whoever is connected loses the connection."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(SECONDS_TO_START)
            self._process = None

    def make(self, name: str) -> str:
        """Make an empty database; its URL."""
        self._psql(f"CREATE DATABASE {name}").check_returncode()
        return f"postgresql://blemish@/{name}?host={self.folder}"

    def drop(self, name: str) -> None:
        """Delete a database, whoever is connected."""
        self._psql(f"DROP DATABASE {name} WITH (FORCE)").check_returncode()

    def _psql(self, command: str) -> subprocess.CompletedProcess[bytes]:
        arguments = ["-h", self.folder, "-U", "blemish", "-d", "postgres", "-c", command]
        return subprocess.run([self._programs / "psql", *arguments], capture_output=True)


@pytest.fixture(scope="session")
def grey_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grey model's file; tests only read it."""
    return write_grey_model(tmp_path_factory.mktemp("model") / "grey.onnx")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A running server; tests that stop it start it again."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:  # a socket's path must be short
        server = PostgreSQL(programs, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


_numbers = itertools.count()


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    name = f"blemish_{next(_numbers)}"
    yield postgresql.make(name)
    postgresql.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'station.sqlite'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def inspector() -> Inspector:
    return Inspector()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """To watch."""
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def watch(folder: Path, inspector: Inspector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Starts to watch the folder, impatiently; all are stopped in the end."""
    for name, seconds in (("SECONDS", 0.02), ("AGAIN", 0.1), ("PATIENCE", 0.2)):
        monkeypatch.setattr(watched_folder, name, seconds)
    started: list[WatchedFolder] = []

    def start(**fields: Any) -> WatchedFolder:
        values = {"watch": folder, "move_to": None, "settle": 0.05, "max_upload": 1000}
        values |= {"batch_size": 2, "queue_size": 64, **fields}
        one = WatchedFolder(SimpleNamespace(**values), inspector, inspector)  # type: ignore[arg-type]
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.stop()


def _programs() -> Path | None:
    """The folder with initdb and postgres."""
    initdb = shutil.which("initdb")
    found = [Path(initdb).resolve().parent] if initdb else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "postgres").exists()), None)
