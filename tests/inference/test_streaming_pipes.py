"""Programs that stream: `blemish predict MODEL -` in a pipe, and one that ends in the middle."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support import texture_files

pytestmark = pytest.mark.slow

PATIENCE = 20  # seconds until a test that waits in vain fails

UNFINISHED = """
import atexit, threading, time
import numpy as np
from blemish.inference.streaming import stream

def score(images):
    time.sleep(0.3)
    return [(0.0,)] * len(images)

atexit.register(lambda: print([t.name for t in threading.enumerate() if t.name.startswith("blemish-")]))
results = stream(map(str, range(10**9)), lambda path: np.zeros((2, 2, 3), np.uint8), score, 1, threads=2)
next(results)
"""


def test_threads_end_before_a_program_with_an_unfinished_generator_does() -> None:
    """A thread that is still in an engine's code when the interpreter goes aborts the process."""
    run = subprocess.run([sys.executable, "-c", UNFINISHED], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "[]\n", "")


@pytest.fixture
def running(exported: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`blemish predict MODEL -`, whose list of paths stays open."""
    command = [sys.executable, "-m", "blemish", "predict", str(exported), "-"]
    pipe = subprocess.PIPE
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a background shell ignores it
    env = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=env, bufsize=0, preexec_fn=heed
    ) as process:
        yield process
        process.kill()


def test_a_row_comes_before_the_next_path_is_given_whatever_its_name(
    running: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert running.stdin and running.stdout
    first, second = texture_files(tmp_path, 2)
    if sys.platform == "linux":  # other file systems take no names that are not UTF-8
        second = second.rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    for number, path in enumerate([first, second, tmp_path / "gone.png"]):
        running.stdin.write(bytes(path) + b"\n")
        if number == 0:
            assert running.stdout.readline().startswith(b"path,score")
        row = running.stdout.readline()
        assert row.startswith(bytes(path) + b",") and (b"does not exist" in row) == (number == 2)
    running.stdin.close()
    assert running.wait(PATIENCE) == 1
    assert running.stdout.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_while_waiting_for_a_path(running: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert running.stdin and running.stdout and running.stderr
    running.stdin.write(bytes(texture_files(tmp_path, 1)[0]) + b"\n")
    running.stdout.readline()
    running.stdout.readline()
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE) == 1
    assert running.stderr.read().strip() == b"Stopped."
