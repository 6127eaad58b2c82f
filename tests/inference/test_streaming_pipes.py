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
results = stream(map(str, range(10**9)), lambda path: np.zeros((2, 2, 3), np.uint8), score, 1)
next(results)
"""


def test_threads_end_before_a_program_with_an_unfinished_generator_does() -> None:
    """A thread that is still in an engine's code when the interpreter goes aborts the process."""
    run = subprocess.run([sys.executable, "-c", UNFINISHED], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "[]\n", "")


@pytest.fixture
def running(exported: Path) -> Iterator[subprocess.Popen[str]]:
    """`blemish predict MODEL -`, whose list of paths stays open."""
    command = [sys.executable, "-m", "blemish", "predict", str(exported), "-"]
    pipe = subprocess.PIPE
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a background shell ignores it
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, preexec_fn=heed
    ) as process:
        yield process
        process.kill()


def test_a_row_comes_before_the_next_path_is_given(running: subprocess.Popen[str], tmp_path: Path) -> None:
    assert running.stdin and running.stdout
    for number, path in enumerate([*texture_files(tmp_path, 2), tmp_path / "gone.png"]):
        print(path, file=running.stdin, flush=True)
        if number == 0:
            assert running.stdout.readline().startswith("path,score")
        row = running.stdout.readline()
        assert row.startswith(f"{path},") and ("does not exist" in row) == (number == 2)
    running.stdin.close()
    assert running.wait(PATIENCE) == 1
    assert running.stdout.read() == ""


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems take no such names")
@pytest.mark.parametrize("options", [[], ["--csv", "rows.csv"], ["--jsonl", "rows.jsonl"]])
def test_names_that_are_not_utf_8_through_pipes(exported: Path, tmp_path: Path, options: list[str]) -> None:
    texture_files(tmp_path, 1)[0].rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    run = subprocess.run(
        [sys.executable, "-m", "blemish", "predict", str(exported), "-", *options],
        input=b"caf\xe9.png\n",
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    if not options:
        assert run.stdout.splitlines()[1].startswith(b"caf\xe9.png,")


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ")
def test_ctrl_c_while_waiting_for_a_path(running: subprocess.Popen[str], tmp_path: Path) -> None:
    assert running.stdin and running.stdout and running.stderr
    print(texture_files(tmp_path, 1)[0], file=running.stdin, flush=True)
    running.stdout.readline()
    running.stdout.readline()
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE) == 1
    assert running.stderr.read().strip() == "Stopped."
