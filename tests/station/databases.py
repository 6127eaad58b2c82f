"""An empty database for each test, SQLite and, where it is installed, PostgreSQL.

A test file asks for the fixtures with `pytest_plugins = ["tests.station.databases"]`.
"""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
SECONDS_TO_START = 30


class Server:
    """A PostgreSQL server of our own, reached by a socket in its folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "--pgdata", folder / "data", "--username=blemish", "--auth=trust", "--no-sync",
                  "--encoding=UTF8", "--locale=C.UTF-8")  # fmt: skip

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-F",
                   "-c", "listen_addresses="]  # fmt: skip
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._user, cwd=self.folder)
        log.close()
        until = time.monotonic() + SECONDS_TO_START
        while self._psql("SELECT 1").returncode:
            assert time.monotonic() < until and self._process.poll() is None, "PostgreSQL does not start."
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it; whoever is connected loses the connection."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(SECONDS_TO_START)
            self._process = None

    def make(self, name: str) -> str:
        """Make an empty database.

        Returns:
            Its URL.
        """
        self._psql(f"CREATE DATABASE {name}").check_returncode()
        return f"postgresql://blemish@/{name}?host={self.folder}"

    def drop(self, name: str) -> None:
        """Delete a database, whoever is connected."""
        self._psql(f"DROP DATABASE {name} WITH (FORCE)").check_returncode()

    def _psql(self, command: str) -> subprocess.CompletedProcess[bytes]:
        arguments = ["-h", self.folder, "-U", "blemish", "-d", "postgres", "-c", command]
        return subprocess.run([self._programs / "psql", *arguments], capture_output=True)

    def _run(self, program: str, *arguments: Path | str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=self.folder,
        )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A running server; tests that stop it start it again."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:  # a socket's path must be short
        server = Server(programs, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


_numbers = itertools.count()


@pytest.fixture
def postgresql_url(postgresql: Server) -> Iterator[str]:
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


def _programs() -> Path | None:
    """The folder with initdb and postgres."""
    initdb = shutil.which("initdb")
    found = [Path(initdb).resolve().parent] if initdb else []
    if shutil.which("pg_config"):
        said = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True)
        found.append(Path(said.stdout.strip()))
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in found if (folder / "postgres").exists()), None)
