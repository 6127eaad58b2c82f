"""What a comparison has finished, kept beside the models, so that the same call goes on where it stopped."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blemish import __version__
from blemish.errors import BlemishError, ImageError
from blemish.images import path_errors


def fingerprint(*parts: Any) -> str:
    """A digest of plain JSON values and of the version of the program."""
    return hashlib.sha256(json.dumps([__version__, *parts]).encode()).hexdigest()


def digest(paths: Iterable[Path]) -> str:
    """A digest of the contents of files, in order.

    Raises:
        ImageError: one cannot be read.
    """
    whole = hashlib.sha256()
    for path in paths:
        with path_errors(path, ImageError), path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def read_record(path: Path) -> dict[str, Any]:
    """What an earlier call wrote there; empty where there is nothing of use."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write plain JSON values."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record), encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write to instead; the older file stays until the new one is whole."""
    temporary = path.with_name(path.name + ".part")
    yield temporary
    temporary.replace(path)


def check_writable(path: Path) -> None:
    """Make a folder and refuse one that cannot be written to.

    Raises:
        BlemishError: it is a file, or nothing can be written there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".blemish"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise BlemishError(
            f"Nothing can be written to {path} ({error.strerror}); choose another folder."
        ) from error
