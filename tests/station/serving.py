"""`blemish serve` in a process of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.station.station import write_grey_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The grey model's file."""
    return write_grey_model(tmp_path_factory.mktemp("model") / "grey.onnx")


def command(*arguments: str | Path) -> list[str]:
    """As a user types it."""
    return [sys.executable, "-m", "blemish", "serve", *map(str, arguments)]


@dataclass
class Serving:
    """A station's process, what it said of where it is, and the file it writes its log to."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def stop(self, number: int = signal.SIGTERM) -> list[dict]:
        """Ask it to end, see that it does so well, and give its log."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        lines = self.log.read_text(encoding="utf-8").splitlines()
        assert code == 0, lines
        return [json.loads(line) for line in lines if line.startswith("{")]


@contextmanager
def serving(*arguments: str | Path, **environment: str) -> Iterator[Serving]:
    """A station on a free port, killed in the end if it still runs."""
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(
            command("--port", "0", "--min-free-gb", "0", *arguments),
            stderr=log,
            env=os.environ | environment,
        )
        try:
            yield Serving(process, _url(process, Path(log.name)), Path(log.name))
        finally:
            process.kill()
            process.wait()


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    while process.poll() is None:
        if found := re.search(r"The station starts at (\S+) ", log.read_text(encoding="utf-8")):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(log.read_text(encoding="utf-8"))
