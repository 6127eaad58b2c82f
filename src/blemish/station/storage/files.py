"""Images and anomaly maps as files, each under the SHA-256 of its content."""

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

from blemish.errors import BlemishError, explained
from blemish.files import hold, synchronise
from blemish.station.errors import MEND, REPLACED, NotFound, Unavailable

GIGABYTE = 10**9
LOCK = ".lock"
DIGITS = 64  # of a SHA-256
UNFINISHED = "unfinished"  # what is being written lies here
PREFIXES = [f"{number:02x}" for number in range(256)]


def digest_of(content: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return sha256(content).hexdigest()


class Files:
    """A folder of files by content: folder/ab/abcdef...; one station's alone, made with its folders 00 to ff.

    BlemishError where another station uses it or it cannot be written; every method raises Unavailable while
    it cannot be used. Hold `busy` to add files and then record them, and to remove files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.busy = Lock()
        what = f"The folder {self.folder} cannot be used"
        unusable = explained(BlemishError, lambda why: f"{what} ({why}); give another --folder.", OSError)
        with unusable, ExitStack() as undo:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = undo.enter_context((self.folder / LOCK).open("a"))
            if not hold(self._lock):
                used = f"Another station uses the folder {self.folder}; stop it, or give another --folder."
                raise Unavailable(used)
            for name in (UNFINISHED, *PREFIXES):
                (self.folder / name).mkdir(exist_ok=True)
            for part in (self.folder / UNFINISHED).iterdir():
                part.unlink()
            synchronise(self.folder)
            self.close = undo.pop_all().close

    def add(self, contents: Mapping[str, bytes]) -> None:
        """Keep contents; on return they are on the disk to stay. What is there already is not written again.

        Args:
            contents: by their digests (`digest_of`). If one cannot be written, none of the new ones is kept.
        """
        new: list[str] = []
        with self._explained("written"):
            try:
                new = [digest for digest, content in contents.items() if not self._has(digest, len(content))]
                _write({self._part(digest): contents[digest] for digest in new})
                for digest in new:
                    self._part(digest).replace(self.path(digest))
                for prefix in sorted({digest[:2] for digest in contents}):
                    synchronise(self.folder / prefix)
            except BaseException:
                for path in [way(digest) for digest in new for way in (self._part, self.path)]:
                    with suppress(OSError):
                        path.unlink()
                raise

    def read(self, digest: str) -> bytes:
        """A file's content; NotFound where it is not there (any more)."""
        with self._explained("read"):
            try:
                return self.path(digest).read_bytes()
            except FileNotFoundError:
                raise NotFound(f"The file {self.path(digest)} is gone.") from None

    def remove(self, digests: Iterable[str]) -> None:
        """Delete files; those that are not there are passed over."""
        with self._explained("written"):
            for digest in digests:
                self.path(digest).unlink(missing_ok=True)

    def stored(self, prefix: str) -> set[str]:
        """Digests of all files whose digests begin with these two digits."""
        with self._explained("read"):
            names = os.listdir(self.folder / prefix)  # noqa: PTH208 (names, not paths)
        return {name for name in names if len(name) == DIGITS}

    def free_bytes(self) -> int:
        with self._explained("read"):
            return shutil.disk_usage(self.folder).free

    def check(self, min_free: int) -> None:
        """Raise Unavailable unless files can be added now, and `min_free` bytes are free."""
        free = self.free_bytes()
        if free < min_free:
            raise Unavailable(
                f"Only {free / GIGABYTE:.1f} GB are free in {self.folder}, less than "
                f"{min_free / GIGABYTE:.1f} GB; make room, or lower --min-free-gb."
            )
        with self._explained("written"):
            if not os.path.samestat(os.fstat(self._lock.fileno()), (self.folder / LOCK).stat()):
                raise Unavailable(f"The folder {self.folder} {REPLACED}")
            trial = self.folder / UNFINISHED / "check"
            trial.write_bytes(b"-")
            trial.unlink()

    def _has(self, digest: str, size: int) -> bool:
        try:
            return self.path(digest).stat().st_size == size
        except FileNotFoundError:
            return False

    def path(self, digest: str) -> Path:
        return self.folder / digest[:2] / digest

    def _part(self, digest: str) -> Path:
        return self.folder / UNFINISHED / f"{digest}.part"

    def _explained(self, done: str) -> AbstractContextManager[None]:
        what = f"The folder {self.folder} cannot be {done}"
        return explained(Unavailable, lambda reason: f"{what} ({reason}); {MEND}", OSError)


def _write(contents: Mapping[Path, bytes]) -> None:
    """Write all, then wait for all to be on the disk: much quicker than one after the other."""
    with ExitStack() as stack:
        files = []
        for path, content in contents.items():
            files.append(stack.enter_context(path.open("wb")))
            files[-1].write(content)
            files[-1].flush()
        for file in files:
            os.fsync(file.fileno())
