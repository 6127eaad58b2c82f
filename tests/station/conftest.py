"""Shared by the tests of the station: a model, and empty databases."""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blemish.station.station import Station
from tests.station.support import Scoring, grey_onnx, until

SECONDS = 30  # for the server to start, and to end
NUMBERS = itertools.count()


class PostgreSQL:
    """A server of our own, reached by a socket in its folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._how: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:  # it refuses to run as root
            shutil.chown(folder, "nobody")
            self._how["user"] = "nobody"
        options = ("--username=blemish", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
        command = [programs / "initdb", "--pgdata", folder / "data", *options]
        subprocess.run(command, check=True, capture_output=True, **self._how)

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, "-F"]
        with (self.folder / "log").open("ab") as log:
            command += ["-c", "listen_addresses="]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._how)
        until(lambda: self._psql("SELECT 1").returncode == 0, SECONDS)

    def stop(self) -> None:
        """Stop it; whoever is connected loses the connection."""
        self._process.send_signal(signal.SIGQUIT)  # at once; what was committed is there
        self._process.wait(SECONDS)

    def make(self) -> str:
        """Make an empty database; its URL."""
        name = f"blemish_{next(NUMBERS)}"
        self._psql(f"CREATE DATABASE {name}").check_returncode()
        return f"postgresql://blemish@/{name}?host={self.folder}"

    def _psql(self, command: str) -> subprocess.CompletedProcess[bytes]:
        arguments = ["-h", self.folder, "-U", "blemish", "-d", "postgres", "-c", command]
        return subprocess.run([self._programs / "psql", *arguments], capture_output=True)


@pytest.fixture(scope="session")
def grey_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grey model's file; tests only read it."""
    path = tmp_path_factory.mktemp("model") / "grey.onnx"
    path.write_bytes(grey_onnx())
    return path


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, Path]:
    """Settings of a station with a certificate of its own for localhost."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    options = ("-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem")
    if subprocess.run([*command.split(), *options], cwd=tmp_path, capture_output=True).returncode:
        pytest.skip("openssl made no certificate")
    return {"tls_certificate": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"}


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A running server; tests that stop it start it again."""
    initdb = shutil.which("initdb")
    found = [Path(initdb).resolve().parent] if initdb else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    programs = [folder for folder in found if (folder / "postgres").exists()]
    if not programs:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:  # a socket's path must be short
        server = PostgreSQL(programs[0], Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def new_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Makes an empty database and gives its URL, once for each kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql").make
    return lambda: f"sqlite:///{tmp_path_factory.mktemp('database') / 'station.sqlite'}"


@pytest.fixture
def database_url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def scoring(monkeypatch: pytest.MonkeyPatch) -> Scoring:
    """Lets something happen before a station's model scores."""

    def happens(station: Station, first: Callable[[list[np.ndarray]], object]) -> None:
        detector = station.default.models.active.detector
        score = detector.score_framed
        monkeypatch.setattr(detector, "score_framed", lambda images: (first(images), score(images))[1])

    return happens
