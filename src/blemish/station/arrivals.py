"""Which image files lie in a folder, and what is in them as long as nobody writes them."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from blemish.images.finding import EXTENSIONS

_ENDINGS = tuple(EXTENSIONS)


class Stamp(NamedTuple):
    """Of a file; another one when it was written."""

    modified: int  # nanoseconds
    size: int
    changed: int  # nanoseconds; also when another file with the same time took its name


def stamp_of(found: os.stat_result) -> Stamp:
    """What the system knows of a file, as a stamp."""
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ctime_ns)


def find_arrivals(
    root: Path, pass_over: Path | None, unlisted: dict[str, OSError]
) -> Iterator[tuple[str, Stamp]]:
    """The images below a folder by extension; hidden files and folders and links are passed over.

    Args:
        root: an absolute path.
        pass_over: a folder below it that is not looked into, or None.
        unlisted: takes the subfolders that cannot be listed, and why.

    Yields:
        Path below `root`, and stamp.

    Raises:
        OSError: `root` itself cannot be listed.
    """
    start, folders = len(str(root / "_")) - 1, [str(root)]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        if entry.path != str(pass_over):
                            folders.append(entry.path)
                    elif entry.name.lower().endswith(_ENDINGS):
                        with suppress(FileNotFoundError):  # gone meanwhile
                            if entry.is_file(follow_symlinks=False):
                                yield entry.path[start:], stamp_of(entry.stat(follow_symlinks=False))
        except OSError as error:
            if folder == str(root):
                raise
            if not isinstance(error, FileNotFoundError):
                unlisted[folder] = error


def read_arrival(file: Path, stamp: Stamp, max_bytes: int) -> bytes | None:
    """The content of a file, nothing of one larger than `max_bytes`, or None if the stamp is not its own.

    Raises:
        OSError: it cannot be read.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW  # it may have become a pipe or a link
    with os.fdopen(os.open(file, flags), "rb") as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode) or stamp_of(found) != stamp:
            return None
        content = opened.read(stamp.size) if stamp.size <= max_bytes else b""
        return content if stamp_of(os.fstat(opened.fileno())) == stamp else None
