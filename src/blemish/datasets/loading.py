"""From samples to arrays: every file is decoded once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from blemish.datasets.sample import Sample
from blemish.errors import DatasetError, ImageError
from blemish.images import Frame, load_frame

Skipped = list[tuple[str, str]]


def load_frames(
    samples: Sequence[Sample],
    frame: Frame,
    *,
    skip_unreadable: bool = False,
    progress: Callable[[int, int], None] | None = None,
    out: np.ndarray | None = None,
) -> tuple[np.ndarray, list[Sample], Skipped]:
    """Decode the samples' images in parallel, in order, straight into one array.

    Args:
        samples: whose images to decode.
        frame: their common geometry; S is its size.
        skip_unreadable: leave bad files out and list them, instead of raising for the first one.
        progress: called with (done, total) after each image.
        out: uint8 [N or more, S, S, 3] to decode into, such as a memory map; None makes a new array.

    Returns:
        The images, uint8 [K, S, S, 3]; the K samples they belong to; and for each skipped file its path and
        one sentence.

    Raises:
        ImageError: the first file, in order, that cannot be used.
        DatasetError: all files had to be skipped.
    """
    total = len(samples)
    if out is None:
        out = np.empty((total, frame.size, frame.size, 3), np.uint8)

    def load(index: int) -> ImageError | None:
        try:
            out[index] = load_frame(samples[index].path, frame)
        except ImageError as error:
            return error
        return None

    kept: list[int] = []
    skipped: Skipped = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for index, error in enumerate(pool.map(load, range(total))):
            if error is None:
                kept.append(index)
            elif skip_unreadable:
                skipped.append((str(samples[index].path), str(error)))
            else:
                pool.shutdown(wait=False, cancel_futures=True)
                raise error
            if progress is not None:
                progress(index + 1, total)
    if skipped and not kept:
        raise DatasetError(f"None of the {total} images can be read; the first one: {skipped[0][1]}")
    if skipped:
        for position, index in enumerate(kept):
            out[position] = out[index]
    return out[: len(kept)], [samples[index] for index in kept], skipped
