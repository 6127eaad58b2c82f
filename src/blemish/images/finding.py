"""Image files in folders, by their names."""

from contextlib import AbstractContextManager
from os import PathLike
from pathlib import Path

from blemish.errors import BlemishError, DatasetError, explained
from blemish.images.formats import EXTENSIONS

FilePath = str | PathLike[str]


def find_images(folder: FilePath, *, recursive: bool = False) -> list[Path]:
    """The image files of a folder by extension, sorted; hidden files and folders are passed over.

    Raises:
        DatasetError: the folder is not there, or may not be listed.
    """
    images: list[Path] = []
    waiting = [Path(folder)]
    while waiting:
        files, folders = list_folder(waiting.pop())
        images += [path for path in files if path.suffix.lower() in EXTENSIONS]
        if recursive:
            waiting += [path for path in folders if not path.is_symlink()]
    return sorted(images)


def list_folder(folder: FilePath) -> tuple[list[Path], list[Path]]:
    """The files and the subfolders of a folder, each sorted; hidden ones are passed over.

    Raises:
        DatasetError: the folder is not there, or may not be listed.
    """
    root = Path(folder)
    with path_errors(root, DatasetError):
        if not root.is_dir():
            raise DatasetError(f"{root} is not a folder; give the folder that holds the images.")
        paths = sorted(path for path in root.iterdir() if not path.name.startswith("."))
        return [path for path in paths if path.is_file()], [path for path in paths if path.is_dir()]


def path_errors(path: FilePath, kind: type[BlemishError]) -> AbstractContextManager[None]:
    """Turn what the system says about a path (forbidden, too long, a NUL inside) into one sentence."""
    return explained(
        kind,
        lambda reason: f"{path} cannot be opened ({reason}); check the path and its permissions.",
        OSError,
        ValueError,
    )
