"""From what a user names or hands over to images."""

import glob
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from blemish.errors import DatasetError, ImageError
from blemish.images.finding import GROUND_TRUTH, find_images, is_hidden, passed_over, path_errors
from blemish.images.frame import Frame
from blemish.images.in_memory import AnyImage, rgb_pixels
from blemish.images.reading import Framed, load_framed, to_frame
from blemish.images.urls import find_urls, is_url

STANDARD_INPUT = "-"

log = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """An image in a model's frame: its path, or "" and the original, uint8 [H, W, 3]."""

    path: str
    framed: Framed
    array: np.ndarray | None = None


def load(image: AnyImage, frame: Frame) -> Loaded:
    """Bring one image into a frame.

    Raises:
        ImageError: it cannot be used.
        ConfigError: it is no image at all.
    """
    if isinstance(image, str | PathLike):
        return Loaded(path_of(image), load_framed(image, frame))
    array = rgb_pixels(image, frame.bit_depth)
    return Loaded("", to_frame(array, frame), array)


def path_of(image: AnyImage) -> str:
    """The path of a file as given, "" of an image in memory."""
    return str(image) if isinstance(image, str | PathLike) else ""


def is_several(given: Any) -> bool:
    """Whether this is a sequence of images, a folder, or a pattern that is no file's name."""
    if not isinstance(given, str | PathLike):
        return isinstance(given, Sequence) and not isinstance(given, bytes)
    with path_errors(fspath(given), ImageError):
        path = Path(given)
        return path.is_dir() or (glob.has_magic(str(given)) and not is_url(given) and not path.exists())


def images_of(given: Any) -> Iterable[AnyImage]:
    """The images of a folder or a pattern, in turn; what is one image as one; an iterable as it is."""
    if isinstance(given, str | PathLike):
        return expand_inputs([str(given)])
    alone = isinstance(given, bytes | Image.Image) or (hasattr(given, "ndim") and given.ndim < 4)
    return [given] if alone else given


def expand_inputs(inputs: Iterable[str]) -> Iterator[str]:
    """Image files named by files, folders (searched recursively), glob patterns, URLs of files or folders, or
    "-" for a list on stdin.

    A file is passed on unread, so that a bad one becomes a row with its error. Overlays and explanations
    that an earlier run left in a folder are passed over. Folders without images, masks in folders
    `ground_truth`, and pictures that are not read, are told at the end.

    Raises:
        DatasetError: an input that is not there, a pattern that matches nothing, or no images in any folder.
    """
    empty: list[str] = []
    others: list[str] = []
    masks: list[str] = []
    found = False
    for item in inputs:
        for place in _places(item):
            images = _images(place, others, masks)
            first = next(images, None)
            if first is not None:
                found = True
                yield first
                yield from images
            elif place != STANDARD_INPUT:
                empty.append(place)
    if others:
        log.warning(passed_over(others))
    if masks:
        are = "1 file is" if len(masks) == 1 else f"{len(masks)} files are"
        log.info(f"{are} left out, for folders {GROUND_TRUTH} hold masks; the first is {masks[0]}.")
    if empty and not found:
        raise DatasetError(f"The folder {empty[0]} holds no images.")
    if empty:
        holds = "1 folder holds" if len(empty) == 1 else f"{len(empty)} folders hold"
        log.warning(f"{holds} no images; the first is {empty[0]}.")


def _places(item: str) -> Iterator[str]:
    """The files, folders and URLs that an input names."""
    if not item:
        raise DatasetError("An input is empty; give image files, folders, patterns, URLs or -.")
    if item == STANDARD_INPUT or is_url(item) or Path(item).exists():
        yield item
    elif glob.has_magic(item):
        names = sorted(glob.glob(item, recursive=True))  # noqa: PTH207 (Path.glob takes no absolute pattern)
        hidden = {part for name in names for part in Path(name).parts if is_hidden(part) and part not in item}
        matches = [name for name in names if hidden.isdisjoint(Path(name).parts)]
        if "**" in item:  # which matches what is in the folders as well
            matches = [name for name in matches if Path(name).is_file()]
        if not matches:
            raise DatasetError(f"No file matches {item}.")
        yield from matches
    else:
        raise DatasetError(f"{item} does not exist; give image files, folders, patterns, URLs or -.")


def _images(place: str, others: list[str], masks: list[str]) -> Iterator[str]:
    if place == STANDARD_INPUT:
        yield from filter(None, (line.lstrip("\ufeff").strip() for line in sys.stdin))
    elif is_url(place) or Path(place).is_dir():
        folder = place if is_url(place) else str(Path(place))
        for name in find_urls(place, others) if is_url(place) else map(str, find_images(place, others)):
            if GROUND_TRUTH in PurePath(name.removeprefix(folder)).parts:
                masks.append(name)
            else:
                yield name
    else:
        yield place
