"""Files that arrive in a watched folder."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def until(holds: Callable[[], Any], seconds: float = 10) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


def put(path: Path, content: bytes = b"image end", age: float = 0) -> Path:
    """Write a file as whole as a rename makes it, last written `age` seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    os.utime(part, ns=(0, time.time_ns() - round(age * 1e9)))
    return part.rename(path)
