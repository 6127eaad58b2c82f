"""Files that are whole or not there, moved without loss, and digests of what they hold."""

import errno
import hashlib
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, Any, NamedTuple

from blemish.errors import BlemishError, ConfigError, explained, reason_of

STANDARD_OUTPUT = Path("-")
LONGEST_NAME = 255  # bytes, on most disks


def check_output(path: Path) -> None:
    """Refuse a file that cannot be written, before anything slow is done for it.

    Raises:
        BlemishError: it is a folder, or its folder is not there or may not be written to.
    """
    if path == STANDARD_OUTPUT or _written_directly(path):
        return
    place = end_of_links(path)
    if place.is_symlink():
        raise BlemishError(f"{path} is a link that leads nowhere; name another file to write.")
    if place.is_dir():
        raise BlemishError(f"{path} is a folder; name a file to write.")
    if not place.parent.is_dir():
        raise BlemishError(f"{path} cannot be written (there is no folder {place.parent}); make it first.")
    if not os.access(place.parent, os.W_OK):
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
        name = "Standard output" if output == STANDARD_OUTPUT else output
        raise BlemishError(
            f"{name} cannot be written ({reason_of(error)}); make room or choose another place."
        ) from error


@contextmanager
def whole_file(path: Path, mode: str = "w", *, keep_unfinished: bool = False) -> Iterator[IO[Any]]:
    """A file that takes its name once it is complete and on the disk; an older one stays until then.

    Links are followed. Devices, pipes and "-", which is standard output, are written to directly. Text is
    UTF-8; names that are not go out as they came in.

    Args:
        path: the file.
        mode: "w" for text, "wb" for bytes.
        keep_unfinished: leave what there is after a failure, under the file's name with .part behind it.

    Raises:
        BlemishError: the file cannot be written, or another run is writing it.
    """
    if path == STANDARD_OUTPUT:
        if sys.stdout is None:
            raise BlemishError("Standard output is closed; name a file to write.")
        yield sys.stdout.buffer if "b" in mode else sys.stdout
        with writing(path):
            sys.stdout.flush()
        return
    direct = _written_directly(path)
    place = end_of_links(path)
    part = unfinished(place)
    text: Any = {} if "b" in mode else {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    with writing(path):
        file: IO[Any] = _open_directly(path, mode, text) if direct else _claim(path, part, mode, text)
    try:
        yield file
        with writing(path):
            file.flush()
            if not direct:
                os.fsync(file.fileno())  # else a power cut could leave an empty file under the final name
                if os.name == "nt":
                    file.close()  # Windows renames no open file; elsewhere it is held until it has its name
                part.replace(place)
            file.close()
    except BaseException:
        with suppress(OSError):  # it writes what is left, and fails again
            file.close()
        if not direct and not keep_unfinished:
            part.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all, as `whole_file` does.

    Raises:
        BlemishError: the file cannot be written.
    """
    with whole_file(path, "wb") as file, writing(path):
        file.write(content)


def unfinished(path: Path) -> Path:
    """The name under which a file is written until it is whole."""
    return path.with_name(f"{shortened(path.name, LONGEST_NAME - 5)}.part")


def shortened(name: str, size: int) -> str:
    """A file's name cut to so many bytes, if it has more."""
    content = os.fsencode(name)
    return name if len(content) <= size else content[:size].decode("utf-8", "ignore")


def hold(file: IO[Any], *, wait: bool = False) -> bool:
    """Whether no other process holds this open file; until it is closed, this one does.

    With `wait` it returns when that is so. Where the system or the disk knows no locks, nobody is taken to
    hold it.
    """
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        pass
    return True


def _claim(path: Path, part: Path, mode: str, text: Any) -> IO[Any]:
    """Open the unfinished file, empty, for this run alone."""
    while True:
        file = open(  # noqa: SIM115
            part, mode, opener=lambda name, flags: os.open(name, flags & ~os.O_TRUNC, 0o666), **text
        )
        if not hold(file):
            file.close()
            raise BlemishError(f"{path} is being written by another run; wait for it, or name another file.")
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), part.stat()):
                file.truncate()
                return file
        file.close()  # its writer has just given it its name


def end_of_links(path: Path) -> Path:
    """The file that a link leads to, there or not; what is no link as it is."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _written_directly(path: Path) -> bool:
    """Whether this is a device, a pipe or a file that is open already, such as /dev/stdout."""
    return _descriptor(path) is not None or (path.exists() and not path.is_file() and not path.is_dir())


def _open_directly(path: Path, mode: str, text: Any) -> IO[Any]:
    number = _descriptor(path)
    return path.open(mode, **text) if number is None else open(number, mode, closefd=False, **text)


def _descriptor(path: Path) -> int | None:
    """The number of the open file that a name such as /dev/stdout stands for."""
    while path.exists():
        folder = os.path.realpath(path.parent)
        if folder in ("/dev/fd", f"/proc/{os.getpid()}/fd") and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return None


class Stamp(NamedTuple):
    """Of a file; another one when it was written."""

    modified: int  # nanoseconds
    size: int
    changed: int  # nanoseconds; also when another file with the same time took its name


def stamp_of(found: os.stat_result) -> Stamp:
    """What the system knows of a file, as a stamp."""
    return Stamp(found.st_mtime_ns, found.st_size, found.st_ctime_ns)


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


def synchronise(path: Path) -> None:
    """Wait until a file's content, or the names in a folder where the system can, are on the disk."""
    folder = path.is_dir()
    if folder and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_toml(path: Path) -> dict[str, Any]:
    """The values in a TOML file.

    Raises:
        ConfigError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The file {path} is not valid TOML: {error}.") from None


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def value_digest(values: Any) -> str:
    """SHA-256 of plain JSON values, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
