"""Images in object storage and whatever else fsspec reaches, by URL: s3://bucket/parts/, gs://, file://."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import PurePosixPath

from blemish.errors import BlemishError, DatasetError, ImageError

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
_URL = re.compile(r"[a-z][a-z0-9+.-]*://")


def is_url(path: str | PathLike[str]) -> bool:
    """Whether this is a URL and no path; it begins with a scheme and "://"."""
    return isinstance(path, str) and _URL.match(path) is not None


def find_urls(url: str) -> Iterator[str]:
    """The image files below a URL by extension, hidden ones passed over, or the URL itself if it is a file.

    Folder after folder is listed as the caller goes on, each sorted.

    Raises:
        DatasetError: it cannot be listed.
    """
    with _sentence(url, DatasetError):
        from fsspec.core import url_to_fs

        system, root = url_to_fs(url)
        single = system.isfile(root)
    if single:
        yield url
        return
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        with _sentence(url, DatasetError):
            entries = sorted(system.ls(folder, detail=True), key=lambda entry: str(entry["name"]))
        folders = []
        for entry in entries:
            path = PurePosixPath(entry["name"])
            if path.name.startswith(".") or entry["name"].strip("/") == folder.strip("/"):
                continue  # object stores list a folder in itself where somebody made a marker for it
            if entry["type"] == "directory" and not entry.get("islink"):
                folders.append(entry["name"])
            elif entry["type"] == "file" and path.suffix.lower() in EXTENSIONS:
                yield system.unstrip_protocol(entry["name"])
        waiting += reversed(folders)


def read_url(url: str) -> bytes:
    """The whole file.

    Raises:
        ImageError: it cannot be read, or is empty.
    """
    with _sentence(url, ImageError):
        from fsspec.core import url_to_fs

        system, path = url_to_fs(url)
        content: bytes = system.cat_file(path)
    if not content:
        raise ImageError(f"{url} is empty; copy or export it again.")
    return content


@contextmanager
def _sentence(url: str, kind: type[BlemishError]) -> Iterator[None]:
    """Turn whatever a storage library raises into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise kind(f"{url} does not exist; check the address.") from error
    except ModuleNotFoundError as error:
        raise kind(f'{url} needs fsspec: pip install "blemish[ray]".') from error
    except Exception as error:
        reason, *_ = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()
        raise kind(
            f"{url} cannot be read ({reason}); check the address, the credentials and that the "
            "storage's package is installed."
        ) from error
