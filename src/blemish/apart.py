"""One of our functions in a process of its own: its memory is its own, and several can run at once.

The process reads one job as a line of JSON on standard input and answers in lines of JSON on standard output.
It lives as long as its input stays open: when that closes, even because whoever started it was killed, it
stops as after Ctrl-C.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, TextIO

from blemish.errors import BlemishError, Interrupted

Say = Callable[[str], None]


class Apart:
    """A call that runs in a process of its own.

    Args:
        function: "module:name" of a function that takes a job and `say` and returns a dict; all plain JSON
            values.
        job: for the function.
        threads: of the libraries that count; None leaves it to them.
    """

    def __init__(self, function: str, job: dict[str, Any], *, threads: int | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "blemish.apart", function],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {}),
            process_group=0,  # Ctrl-C reaches it through its input alone
        )
        assert self.process.stdin
        with suppress(BrokenPipeError):  # it ended early; its exit code is all it told
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()

    def wait(self, say: Say = lambda message: None) -> dict[str, Any]:
        """What the function returns.

        Args:
            say: called with each sentence that the function says.

        Raises:
            BlemishError: what the function raised, or that the process ended without an answer.
            KeyboardInterrupt: it was stopped.
        """
        assert self.process.stdin and self.process.stdout
        last: dict[str, Any] = {}
        try:
            for line in self.process.stdout:
                last = json.loads(line)
                if "say" in last:
                    say(last["say"])
        except KeyboardInterrupt:
            self.stop()
            self.process.wait()
            raise
        finally:
            if self.process.poll() is None and "done" not in last:
                with suppress(subprocess.TimeoutExpired):
                    self.process.wait(1)
                self.process.kill()
            self.process.wait()
            self.stop()
            self.process.stdout.close()
        if last.get("stopped"):
            raise KeyboardInterrupt
        if "error" in last:
            raise BlemishError(last["error"])
        if "done" not in last:
            raise BlemishError(
                f"The process ended without a result (exit code {self.process.returncode}); if the machine "
                "is short of memory, run fewer at once, leave this method out or give a smaller frame."
            )
        done: dict[str, Any] = last["done"]
        return done

    def stop(self) -> None:
        """Ask it to stop as after Ctrl-C; `wait` then raises KeyboardInterrupt."""
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.close()


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print, in C too, is no answer
    job = json.loads(sys.stdin.buffer.readline())
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
    threading.Thread(target=_stop_with_input, daemon=True).start()
    module, name = sys.argv[1].split(":")
    try:
        function = getattr(import_module(module), name)
        answer = {"done": function(job, lambda message: _answer(answers, {"say": message}))}
    except (Interrupted, KeyboardInterrupt):
        answer = {"stopped": True}
    except BlemishError as error:
        answer = {"error": str(error)}
    _answer(answers, answer)


def _answer(answers: TextIO, values: dict[str, Any]) -> None:
    with suppress(BrokenPipeError):  # nobody listens any more
        print(json.dumps(values), file=answers, flush=True)


def _stop_with_input() -> None:
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
