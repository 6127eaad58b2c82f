"""Images and anomaly maps as files, each under the SHA-256 of its content."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock

from blemish.errors import BlemishError
from blemish.station.problems import NotFound, Unavailable

GIGABYTE = 10**9
LOCK = ".lock"
DIGITS = 64  # of a SHA-256
UNFINISHED = "unfinished"  # what is being written lies here
PREFIXES = [f"{number:02x}" for number in range(256)]
REMEDIES = {
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "make room on its disk",
    errno.EROFS: "mount its disk for writing",
    errno.EACCES: "let this user read and write it",
    errno.EPERM: "let this user read and write it",
    errno.ENOENT: "put the folder back",
}


class Files:
    """A folder of files by content: folder/ab/abcdef...; one station's alone.

    Args:
        folder: made if need be, with its folders 00 to ff.

    Attributes:
        busy: held by whoever adds files and then records them, and by whoever removes files.

    Raises:
        BlemishError: another station uses the folder, or it cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.busy = Lock()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._held = _hold(self.folder, os.O_CREAT)
            try:
                self._prepare()
            except OSError:
                os.close(self._held)
                raise
        except OSError as error:
            raise BlemishError(
                f"The folder {self.folder} cannot be used ({error.strerror}); give another --folder."
            ) from error

    def add(self, contents: Sequence[bytes]) -> list[str]:
        """Keep contents; on return they are on the disk to stay. What is there already is not written again.

        Returns:
            The digest of each: SHA-256 as 64 hexadecimal digits.

        Raises:
            Unavailable: they cannot be written; none of the new ones is kept then.
        """
        digests = [hashlib.sha256(content).hexdigest() for content in contents]
        named = dict(zip(digests, contents, strict=True))
        new: list[str] = []
        with self._talking("written"):
            try:
                new = [digest for digest in named if not self._has(digest, len(named[digest]))]
                self._write({self._part(digest): named[digest] for digest in new})
                for digest in new:
                    self._part(digest).replace(self._path(digest))
                for prefix in sorted({digest[:2] for digest in named}):
                    synchronise(self.folder / prefix)
            except BaseException:
                for path in [way(digest) for digest in new for way in (self._part, self._path)]:
                    _forget(path)
                raise
        return digests

    def read(self, digest: str) -> bytes:
        """A file's content.

        Raises:
            NotFound: it is not there (any more).
            Unavailable: it cannot be read.
        """
        with self._talking("read"):
            try:
                return self._path(digest).read_bytes()
            except FileNotFoundError:
                raise NotFound(f"The file {self._path(digest)} is gone.") from None

    def remove(self, digests: Iterable[str]) -> None:
        """Delete files; those that are not there are passed over.

        Raises:
            Unavailable: one cannot be deleted.
        """
        with self._talking("written"):
            for digest in digests:
                self._path(digest).unlink(missing_ok=True)

    def stored(self, prefix: str) -> set[str]:
        """Digests of all files whose digests begin with these two digits.

        Raises:
            Unavailable: the folder cannot be read.
        """
        with self._talking("read"):
            names = os.listdir(self.folder / prefix)  # noqa: PTH208 (names, not paths)
        return {name for name in names if len(name) == DIGITS}

    def free_bytes(self) -> int:
        """Free space on the folder's disk, in bytes.

        Raises:
            Unavailable: the folder is gone.
        """
        with self._talking("read"):
            return shutil.disk_usage(self.folder).free

    def check(self, min_free: int) -> None:
        """Look whether files can be added now.

        Args:
            min_free: bytes that must be free.

        Raises:
            Unavailable: they cannot; says why.
        """
        free = self.free_bytes()
        if free < min_free:
            raise Unavailable(
                f"Only {free / GIGABYTE:.1f} GB are free in {self.folder}, less than "
                f"{min_free / GIGABYTE:.1f} GB; make room, or lower --min-free-gb."
            )
        with self._talking("written"):
            self._hold_again()
            trial = self.folder / UNFINISHED / "check"
            trial.write_bytes(b"-")
            trial.unlink()

    def close(self) -> None:
        """Let another station use the folder."""
        os.close(self._held)

    def _prepare(self) -> None:
        for name in (UNFINISHED, *PREFIXES):
            (self.folder / name).mkdir(exist_ok=True)
        for part in (self.folder / UNFINISHED).iterdir():
            part.unlink()
        synchronise(self.folder)

    def _hold_again(self) -> None:
        """After the disk was unmounted and mounted again, or the folder put back from a copy."""
        if not _is_at(self._held, self.folder / LOCK):
            before, self._held = self._held, _hold(self.folder, 0)
            os.close(before)
            self._prepare()

    def _has(self, digest: str, size: int) -> bool:
        try:
            return self._path(digest).stat().st_size == size
        except FileNotFoundError:
            return False

    def _path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    def _part(self, digest: str) -> Path:
        return self.folder / UNFINISHED / f"{digest}.part"

    def _write(self, contents: dict[Path, bytes]) -> None:
        """Write all, then wait for all to be on the disk: much quicker than one after the other."""
        with ExitStack() as stack:
            files = []
            for path, content in contents.items():
                files.append(stack.enter_context(path.open("wb")))
                files[-1].write(content)
                files[-1].flush()
            for file in files:
                os.fsync(file.fileno())

    @contextmanager
    def _talking(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            remedy = REMEDIES.get(error.errno or 0, "see to the disk; the station goes on by itself")
            raise Unavailable(
                f"The folder {self.folder} cannot be {done} ({error.strerror or error}); {remedy}."
            ) from error


def _hold(folder: Path, flags: int) -> int:
    """An open lock file that no other station can lock."""
    held = os.open(folder / LOCK, os.O_RDWR | flags, 0o644)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise Unavailable(
            f"Another station uses the folder {folder}; stop it, or give another --folder."
        ) from None
    except OSError:
        os.close(held)
        raise
    return held


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one at the path; an OSError where there is none."""
    return os.path.samestat(os.fstat(descriptor), path.stat())


def synchronise(path: Path) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forget(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
