"""Image files that somebody else puts into a folder: found, read whole, moved away without loss."""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

from blemish.files import write_whole
from blemish.images.finding import is_hidden
from blemish.images.formats import EXTENSIONS, UNREAD_EXTENSIONS
from blemish.station.storage.files import synchronise

ENDINGS, UNREAD = tuple(EXTENSIONS), tuple(UNREAD_EXTENSIONS)


class Stamp(NamedTuple):
    """Of a file; another one when it was written."""

    modified: int  # nanoseconds
    size: int
    changed: int  # nanoseconds; also when another file with the same time took its name


def stamp_of(found: os.stat_result) -> Stamp:
    """What the system knows of a file, as a stamp."""
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ctime_ns)


def find_files(
    root: Path, pass_over: Path | None, unlisted: list[OSError], others: list[str]
) -> Iterator[tuple[str, Stamp]]:
    """Paths below an absolute `root` and stamps of images, by extension; without what is hidden, and links.

    `pass_over` is not looked into. `unlisted` takes what is said of folders that cannot be listed, `others`
    the pictures in formats that are not read.
    """
    start = len(str(root / "_")) - 1
    for folder, folders, names in os.walk(root, onerror=unlisted.append):
        visible = (name for name in folders if not is_hidden(name))
        folders[:] = [name for name in visible if f"{folder}/{name}" != str(pass_over)]
        for name in names:
            if is_hidden(name):
                continue
            if name.lower().endswith(UNREAD):
                others.append(f"{folder}/{name}")
            if not name.lower().endswith(ENDINGS):
                continue
            path = f"{folder}/{name}"
            with suppress(FileNotFoundError):  # gone meanwhile
                found = os.lstat(path)
                if stat.S_ISREG(found.st_mode):
                    yield path[start:], stamp_of(found)


def read_file(file: Path, stamp: Stamp, max_bytes: int) -> bytes | None:
    """A file's content, nothing of one above `max_bytes`, or None if the stamp is not its own; OSError."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW  # it may have become a pipe or a link
    with os.fdopen(os.open(file, flags), "rb") as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode) or stamp_of(found) != stamp:
            return None
        content = opened.read(stamp.size) if stamp.size <= max_bytes else b""
        return content if stamp_of(os.fstat(opened.fileno())) == stamp else None


def move_file(file: Path, target: Path, result: bytes | None = None) -> Path:
    """Move a file, and give the path it has now; it is in one place whole, whenever the power fails.

    Args:
        target: its new path; folders are made. A name that is taken gets a suffix: a.png, a-1.png, a-2.png.
        result: is on the disk beside it, as a.png.json, before it is moved.

    Raises:
        OSError: it cannot be moved, and is where it was.
        BlemishError: the result cannot be written, and the file is where it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    names = (target.with_stem(f"{target.stem}-{number}") if number else target for number in count())
    free = next(
        path for path in names if not (os.path.lexists(path) or _is_of_another(_beside(path), result))
    )
    if result is not None:
        write_whole(_beside(free), result)
    try:
        file.rename(free)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(file, free)
    return free


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


def _is_of_another(file: Path, result: bytes | None) -> bool:
    """Whether a result would be written over another one; after a kill it may be there already."""
    return result is not None and os.path.lexists(file) and file.read_bytes() != result


def _copy(file: Path, target: Path) -> None:
    """Copy a file to another disk, then delete it, unless another one has taken its name meanwhile."""
    part = target.with_name(f".{target.name}.part")
    copied = stamp_of(file.stat())
    try:
        shutil.copy2(file, part)
        synchronise(part)
        part.rename(target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    synchronise(target.parent)
    if stamp_of(file.stat()) == copied:
        file.unlink()
