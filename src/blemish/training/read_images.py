"""The good images of a fit, read into rows, and what the user should know of them."""

import logging
import math
import shutil
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from blemish.datasets import Dataset
from blemish.datasets.checks import check_trainable
from blemish.datasets.loading import Rows, load_rows
from blemish.errors import BlemishError
from blemish.images.frame import MIN_SIDE, visible_share
from blemish.images.reading import image_size
from blemish.models.config import ModelConfig
from blemish.training.config import RunConfig
from blemish.training.temporary_array import nameless_array

MOSTLY_VISIBLE = 0.7  # the paper's 224 of 256 pixels leave 77 % of a square image

log = logging.getLogger(__name__)


def read_images(
    dataset: Dataset,
    config: RunConfig,
    folder: Path,
    *,
    skip_unreadable: bool,
) -> Rows:
    """Decode the images to learn from.

    Args:
        dataset: `train` is read.
        config: of the run.
        folder: where images lie that do not fit the memory budget, in a file without a name.
        skip_unreadable: leave unreadable files out instead of stopping.

    Raises:
        BlemishError: too few can be read, or there is no room for them.
    """
    rows = load_rows(
        dataset.train,
        config.frame,
        skip_unreadable=skip_unreadable,
        allocate=partial(_image_store, budget=config.training.cache_gigabytes, folder=folder),
    )
    for _, reason in rows.skipped:
        log.warning(f"Skipped: {reason}")
    if rows.skipped:
        log.warning(f"{len(rows.skipped)} of {len(dataset.train)} images were skipped as unreadable.")
    check_trainable(Dataset(dataset.name, train=rows.samples))
    for remark in _remarks(rows.samples[0].path, config):
        log.warning(remark)
    return rows


def _remarks(path: Path, config: RunConfig) -> Iterator[str]:
    """What the user should know of how the frame shows the first image."""
    width, height = image_size(path)
    frame = config.frame
    share = visible_share(width, height, frame)
    if share < MOSTLY_VISIBLE:
        yield (
            f"The crop shows the network {share:.0%} of {path.name}; "
            "set frame.crop=none to show it whole images."
        )
    if frame.tile:
        if frame.resize is None and min(width, height) < frame.tile:
            yield (
                f"{path.name} is {width} x {height} pixels, smaller than a tile of {frame.tile} x "
                f"{frame.tile}, and is enlarged; --tile is for larger images."
            )
    elif not hasattr(config.model, "backbone") and max(width, height) < frame.size:
        enlarged = f"{path.name} is enlarged from {width} x {height} to {frame.size} pixels"
        cheaper = _largest_size(config.model, min(width, height))
        yield f"{enlarged}; frame.resize={cheaper} would cost less." if cheaper else f"{enlarged}."


def _largest_size(model: ModelConfig, limit: int) -> int | None:
    """The largest frame up to `limit` pixels that a model takes."""
    for size in range(limit, MIN_SIDE - 1, -1):
        with suppress(ValueError):
            model.check_image_size(size)
            return size
    return None


def _image_store(shape: tuple[int, ...], budget: float, folder: Path) -> np.ndarray:
    """An array for decoded images, uint8; in a nameless file when they do not fit the budget of gigabytes."""
    needed = math.prod(shape)
    if needed <= budget * 1e9:
        return np.empty(shape, np.uint8)
    if needed > (free := shutil.disk_usage(folder).free):
        raise BlemishError(
            f"The decoded images need {needed / 1e9:.1f} GB in {folder}, which has {free / 1e9:.1f} GB free; "
            "make room, or raise training.cache_gigabytes if there is memory for them."
        )
    try:
        return nameless_array(shape, folder)
    except OSError as error:
        raise BlemishError(
            f"The decoded images need {needed / 1e9:.1f} GB in {folder}: {error.strerror}; "
            "make room, or raise training.cache_gigabytes if there is memory for them."
        ) from None
