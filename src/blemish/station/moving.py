"""Moves a file into another folder; never over one that is there, and to another file system durably."""

import errno
import os
import shutil
from itertools import count
from pathlib import Path

from blemish.station.arrivals import stamp_of
from blemish.station.storage.files import synchronise


def move(file: Path, target: Path) -> Path:
    """Move a file; it is in one of the two places whole, whenever the power fails.

    Args:
        file: an existing file.
        target: its new path; folders are made. A name that is taken gets a suffix: a.png, a-1.png, a-2.png.

    Returns:
        The path it has now.

    Raises:
        OSError: it cannot be moved, and is where it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    free = _free(target)
    try:
        file.rename(free)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(file, free)
    return free


def _free(target: Path) -> Path:
    names = (target.with_stem(f"{target.stem}-{number}") if number else target for number in count())
    return next(path for path in names if not os.path.lexists(path))


def _copy(file: Path, target: Path) -> None:
    """Copy a file, then delete it, unless another one has taken its name meanwhile."""
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
