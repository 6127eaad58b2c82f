"""The log of a training run: JSON lines."""

import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO


@contextmanager
def open_log(path: Path, keep_bytes: int, checkpoint: Path, *, write: bool) -> Iterator[TextIO]:
    """Open the log for appending, cut back to what the checkpoint knew of it."""
    if not write:
        yield io.StringIO()
        return
    try:
        with path.open("a", encoding="utf-8") as file:
            file.truncate(min(keep_bytes, path.stat().st_size))
            file.seek(0, os.SEEK_END)
            yield file
    except BaseException:
        if not checkpoint.exists():
            path.unlink(missing_ok=True)
        raise


def write_entry(log: TextIO, entry: dict[str, Any]) -> None:
    """Add one line, at once visible to readers."""
    log.write(json.dumps(entry) + "\n")
    log.flush()
