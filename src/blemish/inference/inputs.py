"""From what is named on a command line to image files."""

import glob
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from blemish.errors import DatasetError
from blemish.images.finding import find_images
from blemish.images.urls import find_urls, is_url

STANDARD_INPUT = "-"
OVERLAY_SUFFIX, EXPLANATION_SUFFIX = ".heat.png", ".explain.png"  # of what `predict` writes


def expand_inputs(inputs: Iterable[str]) -> Iterator[str]:
    """Image files named by files, folders (searched recursively), glob patterns, URLs of files or folders, or
    "-" for a list on stdin.

    A file is passed on unread, so that a bad one becomes a row with its error. Overlays and explanations
    that an earlier run left in a folder are passed over.

    Raises:
        DatasetError: an input that is not there, a folder without images, a pattern that matches nothing.
    """
    for item in inputs:
        path = Path(item)
        if not item:
            raise DatasetError("An input is empty; give image files, folders, patterns, URLs or -.")
        if item == STANDARD_INPUT:
            yield from (line.strip() for line in sys.stdin if line.strip())
        elif is_url(item) or path.is_dir():
            found = find_urls(item) if is_url(item) else map(str, find_images(path, recursive=True))
            images = (image for image in found if not image.endswith((OVERLAY_SUFFIX, EXPLANATION_SUFFIX)))
            first = next(images, None)
            if first is None:
                raise DatasetError(f"The folder {item} holds no images.")
            yield first
            yield from images
        elif path.exists():
            yield item
        elif glob.has_magic(item):
            matches = glob.glob(item, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
            files = [match for match in sorted(matches) if Path(match).is_file()]
            if not files:
                raise DatasetError(f"No file matches {item}.")
            yield from files
        else:
            raise DatasetError(f"{item} does not exist; give image files, folders, patterns, URLs or -.")
