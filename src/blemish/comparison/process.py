"""Starts the process that fits one method, and listens to it."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from blemish.errors import BlemishError


def fit_apart(label: str, job: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """Fit in a process of its own and wait for it. Ctrl-C stops it after it has written a checkpoint.

    Args:
        label: of the method, for the messages.
        job: "name", "train", "config", "weights", "out", "resume" and "quiet", as `blemish.comparison.child`
            reads.
        say: called with each sentence that the user should read.

    Returns:
        "seconds" that fitting took and "peak_memory_mb" of the process (None where the system does not tell).

    Raises:
        BlemishError: the method cannot be fitted.
        KeyboardInterrupt: it was stopped.
    """
    command = [sys.executable, "-m", "blemish.comparison.child"]
    child = subprocess.Popen(  # Ctrl-C reaches it through its input alone
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    )
    assert child.stdin and child.stdout
    last: dict[str, Any] = {}
    try:
        child.stdin.write(json.dumps(job) + "\n")
        child.stdin.flush()
        for line in child.stdout:
            last = json.loads(line)
            if "say" in last:
                say(f"{label}: {last['say']}")
    except BrokenPipeError:
        pass  # it ended early; its exit code is all it told
    except KeyboardInterrupt:
        child.stdin.close()
        child.wait()
        raise
    finally:
        if child.poll() is None and "done" not in last:
            with suppress(subprocess.TimeoutExpired):
                child.wait(1)
            child.kill()
        child.wait()
        with suppress(BrokenPipeError):
            child.stdin.close()
        child.stdout.close()
    if last.get("stopped"):
        raise KeyboardInterrupt
    if "error" in last:
        raise BlemishError(f"{label} cannot be fitted: {last['error']}")
    if "done" not in last:
        raise BlemishError(
            f"Fitting {label} ended without a result (exit code {child.returncode}); "
            "if the machine is short of memory, leave this method out or give a smaller frame."
        )
    done: dict[str, Any] = last["done"]
    return done
