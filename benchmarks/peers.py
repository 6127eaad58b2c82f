"""anomalib beside ours: its environment, and a worker process in it that takes turns with this one.

The environment is made at the first use (minutes and 6.5 GB) in build/peers, or in the folder that the
environment variable BLEMISH_PEERS names; it stays there for the next time.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from timing import Turn

HERE = Path(__file__).resolve().parent
REQUIREMENTS = ("anomalib[cpu,openvino]==2.7.0", "onnxruntime", "onnxscript")
READY = ".ready"


def environment() -> Path:
    """anomalib's environment, made if it is not there."""
    root = Path(os.environ.get("BLEMISH_PEERS", HERE.parent / "build" / "peers"))
    folder = root / "anomalib"
    if not (folder / READY).exists():
        print(f"Installing {REQUIREMENTS[0]} in {folder} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *REQUIREMENTS]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        (folder / READY).touch()
    return folder


class Peer:
    """anomalib in a process of its own; close it, or use it as a context manager.

    Args:
        log: file for what its libraries print.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        command = [environment() / "bin" / "python", HERE / "peer_anomalib.py"]
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """The answer to a command of `peer_anomalib.Worker`.

        Raises:
            RuntimeError: anomalib failed at it.
        """
        assert self.process.stdin and self.process.stdout
        with suppress(BrokenPipeError):  # it has ended; its log tells why
            print(json.dumps({"do": do, **arguments}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"ended at once: {self.log.read_text()[-2000:]}"}
        if "error" in answer:
            raise RuntimeError(f"anomalib, asked to {do}: {answer['error']}")
        return answer

    def turns(self, do: str, **arguments: Any) -> Callable[[], Turn]:
        """A contender for `timing.alternate`: the same command again and again, timed where it runs."""

        def turn() -> Turn:
            answer = self.ask(do, **arguments)
            return Turn(**{name: answer[name] for name in Turn._fields})

        return turn
