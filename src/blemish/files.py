"""Files that are whole or not there, and digests of what they hold."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from blemish.errors import BlemishError, explained, reason_of


def check_output(path: Path) -> None:
    """Refuse a file that cannot be written, before anything slow is done for it.

    Raises:
        BlemishError: it is a folder, or its folder is not there or may not be written to.
    """
    if path.is_dir():
        raise BlemishError(f"{path} is a folder; name a file to write.")
    if not path.parent.is_dir():
        raise BlemishError(f"{path} cannot be written (there is no folder {path.parent}); make it first.")
    if not os.access(path.parent, os.W_OK):
        raise BlemishError(f"{path} cannot be written; choose another place.")


def make_folder(path: Path) -> None:
    """Make a folder, and those on the way to it, that can be written to.

    Raises:
        BlemishError: it is a file, or nothing can be written there.
    """
    unusable = explained(
        BlemishError,
        lambda reason: f"Nothing can be written to {path} ({reason}); choose another folder.",
        OSError,
    )
    with unusable:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".blemish"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may have been faster


@contextmanager
def writing(output: Path | str) -> Iterator[None]:
    """Turn what the system says while writing to an output into one sentence that names it."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read has enough: the command line ends without a word
    except OSError as error:
        raise BlemishError(
            f"{output} cannot be written ({reason_of(error)}); make room or choose another place."
        ) from error


@contextmanager
def whole_file(path: Path, mode: str = "w", *, keep_unfinished: bool = False) -> Iterator[IO[Any]]:
    """A file that takes its name once it is complete and on the disk; an older one stays until then.

    Devices and pipes are written to directly. Text is UTF-8; names that are not go out as they came in.

    Args:
        path: the file.
        mode: "w" for text, "wb" for bytes.
        keep_unfinished: leave what there is after a failure, under the file's name with .part behind it.

    Raises:
        BlemishError: the file cannot be written.
    """
    special = path.exists() and not path.is_file()
    target = path if special else path.with_name(path.name + ".part")
    text: Any = {} if "b" in mode else {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    with writing(path):
        file: IO[Any] = target.open(mode, **text)
    try:
        yield file
        if not special:
            with writing(path):
                file.flush()
                os.fsync(file.fileno())  # else a power cut could leave an empty file under the final name
    except BaseException:
        with suppress(OSError):  # it writes what is left, and fails again
            file.close()
        if not special and not keep_unfinished:
            target.unlink(missing_ok=True)
        raise
    with writing(path):
        file.close()
        if not special:
            target.replace(path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def value_digest(values: Any) -> str:
    """SHA-256 of plain JSON values, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
