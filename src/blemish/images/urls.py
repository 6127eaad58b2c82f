"""Images in object storage and whatever else fsspec reaches, by URL: s3://bucket/parts/, gs://, file://."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from blemish.errors import BlemishError, DatasetError, ImageError, explained
from blemish.extras import install_command
from blemish.images.finding import FilePath, is_hidden, is_image
from blemish.images.formats import UNREAD_EXTENSIONS

log = logging.getLogger(__name__)

_URL = re.compile(r"[a-z][a-z0-9+.-]*://")


def is_url(path: FilePath) -> bool:
    """Whether this is a URL and no path; it begins with a scheme and "://"."""
    return isinstance(path, str) and _URL.match(path) is not None


def url_to_storage(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path there; names stay as they are, "%20" too.

    Raises:
        ImportError: fsspec, or the package of the storage, is not installed.
        ValueError: nobody knows the storage, or the URL ends behind "://".
    """
    from fsspec.core import url_to_fs

    if url.endswith("://"):
        raise ValueError("it names nothing")
    system_and_path: tuple[Any, str] = url_to_fs(url)
    return system_and_path


def find_urls(url: str, others: list[str] | None = None) -> Iterator[str]:
    """The image files below a URL by extension, hidden ones passed over, or the URL itself if it is a file.

    Folder after folder is listed as the caller goes on, each sorted; linked ones are named and passed over.
    Pictures of other formats go to `others`.

    Raises:
        DatasetError: it cannot be listed.
    """
    with _storage_errors(url, DatasetError):
        system, root = url_to_storage(url)
        single = system.isfile(root)
    if single:
        yield url
        return
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        with _storage_errors(url, DatasetError):
            entries = sorted(system.ls(folder, detail=True), key=lambda entry: str(entry["name"]))
        folders = []
        for entry in entries:
            path = PurePosixPath(entry["name"])
            if is_hidden(path.name) or entry["name"].strip("/") == folder.strip("/"):
                continue  # object stores list a folder in itself where somebody made a marker for it
            if entry.get("islink") and system.isdir(entry["name"]):
                log.warning(
                    f"{entry['name']} is a link to a folder and is passed over; name that folder itself."
                )
            elif entry["type"] == "directory":
                folders.append(entry["name"])
            elif others is not None and path.suffix.lower() in UNREAD_EXTENSIONS:
                others.append(system.unstrip_protocol(entry["name"]))
            elif is_image(path.name):
                with _storage_errors(url, DatasetError):
                    is_file = entry["type"] == "file" or system.isfile(entry["name"])  # else a link
                if is_file:
                    yield system.unstrip_protocol(entry["name"])
        waiting += reversed(folders)


def read_url(url: str) -> bytes:
    """The whole file.

    Raises:
        ImageError: it cannot be read, or is empty.
    """
    with _storage_errors(url, ImageError):
        system, path = url_to_storage(url)
        content: bytes = system.cat_file(path)
    if not content:
        raise ImageError(f"{url} is empty; copy or export it again.")
    return content


@contextmanager
def _storage_errors(url: str, kind: type[BlemishError]) -> Iterator[None]:
    """Turn whatever a storage library raises into one sentence."""
    with (
        explained(
            kind,
            lambda reason: (
                f"{url} cannot be read ({reason}); check the address, the credentials and that the storage's "
                "package is installed."
            ),
        ),
        explained(kind, lambda _: f"{url} needs fsspec: {install_command('ray')}.", ModuleNotFoundError),
        explained(kind, lambda _: f"{url} does not exist; check the address.", FileNotFoundError),
    ):
        yield
