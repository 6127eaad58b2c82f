"""Image files in folders, by their names."""

import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from os import PathLike
from pathlib import Path

from blemish.errors import BlemishError, DatasetError, explained
from blemish.extras import install_command
from blemish.files import Stamp, stamp_of
from blemish.images.formats import EXTENSIONS, HEIF_EXTENSIONS, UNREAD_EXTENSIONS

SYSTEM_FOLDERS = frozenset(  # of Synology, QNAP, macOS, Windows and Linux: thumbnails, and what was deleted
    {"@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "__macosx", "$recycle.bin"}
    | {"system volume information", "lost+found"}
)

OVERLAY_SUFFIX, EXPLANATION_SUFFIX = ".heat.png", ".explain.png"  # of what `predict` writes
GROUND_TRUTH = "ground_truth"  # the folder of masks in a data set

FilePath = str | PathLike[str]


def find_images(folder: FilePath, others: list[str] | None = None) -> list[Path]:
    """The image files of a folder and all its subfolders, linked ones too, by extension, sorted.

    What is hidden (`is_hidden`) is passed over, and what `predict` drew. Pictures of other formats go to
    `others`.

    Raises:
        DatasetError: the folder is not there, or one may not be listed.
    """
    images: list[Path] = []
    waiting: list[tuple[Path, frozenset[Path]]] = [(Path(folder), frozenset())]
    while waiting:
        here, above = waiting.pop()
        files, folders = list_folder(here)
        with path_errors(here, DatasetError):
            real = here.resolve()
        if real in above:  # a link to a folder that it lies in
            continue
        images += [path for path in files if is_image(path.name)]
        if others is not None:
            others += [str(path) for path in files if path.suffix.lower() in UNREAD_EXTENSIONS]
        waiting += [(path, above | {real}) for path in folders]
    return sorted(images)


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
            if name.lower().endswith(tuple(UNREAD_EXTENSIONS)):
                others.append(f"{folder}/{name}")
            if not name.lower().endswith(tuple(EXTENSIONS)):
                continue
            path = f"{folder}/{name}"
            with suppress(FileNotFoundError):  # gone meanwhile
                found = os.lstat(path)
                if stat.S_ISREG(found.st_mode):
                    yield path[start:], stamp_of(found)


def read_file(file: Path, stamp: Stamp, max_bytes: int) -> bytes | None:
    """A file's content, nothing of one above `max_bytes`, or None if the stamp is not its own."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW  # it may have become a pipe or a link
    with os.fdopen(os.open(file, flags), "rb") as opened:
        found = os.fstat(opened.fileno())
        if not stat.S_ISREG(found.st_mode) or stamp_of(found) != stamp:
            return None
        content = opened.read(stamp.size) if stamp.size <= max_bytes else b""
        return content if stamp_of(os.fstat(opened.fileno())) == stamp else None


def list_folder(folder: FilePath) -> tuple[list[Path], list[Path]]:
    """The files and the subfolders of a folder, each sorted, without those that are hidden.

    Raises:
        DatasetError: the folder is not there, or may not be listed.
    """
    root = Path(folder)
    with path_errors(root, DatasetError):
        if not root.is_dir():
            raise DatasetError(f"{root} is not a folder; give the folder that holds the images.")
        paths = sorted(path for path in root.iterdir() if not is_hidden(path.name))
        return [path for path in paths if path.is_file()], [path for path in paths if path.is_dir()]


def is_image(name: str) -> bool:
    """Whether a file of this name is an image to read: by its extension, and not drawn by `predict`."""
    drawn = name.endswith((OVERLAY_SUFFIX, EXPLANATION_SUFFIX))
    return not drawn and name.lower().endswith(tuple(EXTENSIONS))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or one that a system makes for itself."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def passed_over(others: Sequence[str]) -> str:
    """One sentence on pictures that are not read, at least one."""
    files = "1 file is" if len(others) == 1 else f"{len(others)} files are"
    first = min(others)
    is_heic = first.lower().endswith(tuple(HEIF_EXTENSIONS))
    heic = f", or run {install_command('heic')}" if is_heic else ""
    return f"{files} passed over, for such pictures are not read: convert {first} and its like to PNG{heic}."


def name_on_disk(folder: Path, name: str) -> Path:
    """The file of this name; where there is none, the one whose accents are composed in the other way.

    Raises:
        DatasetError: the system will not say (the path is forbidden, too long or has a NUL inside).
    """
    path = folder / name
    with path_errors(path, DatasetError):
        spellings = (path, *(folder / unicodedata.normalize(form, name) for form in ("NFC", "NFD")))
        return next((spelling for spelling in spellings if spelling.exists()), path)


def path_errors(path: FilePath, kind: type[BlemishError]) -> AbstractContextManager[None]:
    """Turn what the system says about a path (forbidden, too long, a NUL inside) into one sentence."""
    return explained(
        kind,
        lambda reason: f"{path} cannot be opened ({reason}); check the path and its permissions.",
        OSError,
        ValueError,
    )
