"""From samples to arrays: every file is decoded once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from blemish.datasets.copies import first_of_copies, thumbnail
from blemish.datasets.sample import Sample, mask_files
from blemish.errors import DatasetError, ImageError
from blemish.images.changes import Change
from blemish.images.finding import FilePath
from blemish.images.frame import Frame, framed_size
from blemish.images.reading import MAX_PIXELS, frame_digest, image_size, load_frame, read_mask
from blemish.images.tiling import Grid
from blemish.progress import progress_bar

Allocate = Callable[[tuple[int, ...]], np.ndarray]


class Rows(NamedTuple):
    """Images as a model learns from them: one row each, or one per tile.

    Attributes:
        images: uint8 [R, H, W, 3]; behind an image's own rows lie those of its changed versions.
        owners: int64 [R], which of the samples each row belongs to, ascending.
        samples: K, those that could be read, without copies.
        sizes: height and width of each of the K framed images.
        digests: of each of the K framed images, see `blemish.images.reading.frame_digest`.
        skipped: for each file that could not be read its path and one sentence.
        copies: each image that was left out as equal, once framed, to an earlier one, and that one.
        groups: int64 [K], the first of the near-equal images that each belongs to, itself where there is none
            (`blemish.datasets.copies`).
        left_out: digests of images that could be read and are none of the K.
    """

    images: np.ndarray
    owners: np.ndarray
    samples: list[Sample]
    sizes: list[tuple[int, int]]
    digests: list[str]
    skipped: list[tuple[str, str]]
    copies: list[tuple[Sample, Sample]]
    groups: np.ndarray
    left_out: list[str]

    def of(self, samples: np.ndarray) -> np.ndarray:
        """The rows, int64 ascending, that belong to these of the K samples."""
        return np.flatnonzero(np.isin(self.owners, samples))

    def of_group(self, sample: int) -> np.ndarray:
        """The rows of one of the K samples and of all that are near-equal to it."""
        return self.of(np.flatnonzero(self.groups == self.groups[sample]))

    def only(self, samples: np.ndarray) -> "Rows":
        """Those of some of the K samples, int64 ascending, moved to the front of the same memory."""
        _, first, group = np.unique(self.groups[samples], return_index=True, return_inverse=True)
        chosen, digests = self.of(samples), [self.digests[index] for index in samples]
        if len(chosen) < len(self.owners):
            for position, row in enumerate(chosen):
                self.images[position] = self.images[row]
        return self._replace(
            images=self.images[: len(chosen)],
            owners=np.searchsorted(samples, self.owners[chosen]),
            samples=[self.samples[index] for index in samples],
            sizes=[self.sizes[index] for index in samples],
            digests=digests,
            groups=first[group],
            left_out=self.left_out + sorted(set(self.digests) - {"", *digests}),
        )

    def picture(self, sample: int, frame: Frame) -> np.ndarray:
        """One of the K framed images, uint8 [height, width, 3], put together from its rows."""
        grid, first = Grid.of(*self.sizes[sample], frame), np.searchsorted(self.owners, sample)
        return grid.join(self.images[first : first + len(grid)])


def load_rows(
    samples: Sequence[Sample],
    frame: Frame,
    *,
    changes: Sequence[Change] = (),
    skip_unreadable: bool = False,
    allocate: Allocate = lambda shape: np.empty(shape, np.uint8),
) -> Rows:
    """Decode the samples' images in parallel, in order, straight into one array, and leave copies out.

    Args:
        samples: whose images to decode.
        frame: their common geometry; H and W are its shape. Tiles are counted from the files' headers.
        changes: make the versions of each framed image that are to have rows of their own besides.
        skip_unreadable: leave bad files out and list them, instead of raising for the first one.
        allocate: makes the uint8 array for a shape, such as a memory map.

    Raises:
        ImageError: the first file, in order, that cannot be used.
        DatasetError: all files had to be skipped.
    """
    total = len(samples)
    sizes = [(0, 0)] * total
    digests = [""] * total
    thumbnails = [np.empty(0, np.uint8)] * total
    with ThreadPoolExecutor(os.cpu_count()) as pool, progress_bar("Reading images", total) as advance:
        counts = list(pool.map(partial(_count_rows, frame=frame), samples))
        counts = [count * (1 + len(changes)) for count in counts]
        ends = np.cumsum(counts, dtype=np.int64)
        out = allocate((sum(counts), *frame.shape, 3))

        def load(index: int) -> ImageError | None:
            try:
                image = load_frame(samples[index].path, frame)
            except ImageError as error:
                return error
            height, width, _ = image.shape
            grid = Grid.of(height, width, frame)
            if len(grid) * (1 + len(changes)) != counts[index]:
                return ImageError(f"{samples[index].path} changed while it was read; start again.")
            sizes[index], digests[index] = (height, width), frame_digest(image)
            thumbnails[index] = thumbnail(image)
            row = ends[index] - counts[index]
            for version in chain([image], (change(image) for change in changes)):
                for tile in grid.cut(version):
                    out[row] = tile
                    row += 1
            return None

        kept: dict[str, int] = {}  # by digest
        skipped: list[tuple[str, str]] = []
        copies: list[tuple[Sample, Sample]] = []
        for index, error in enumerate(pool.map(load, range(total))):
            if error is None:
                first = kept.setdefault(digests[index], index)
                if first != index:
                    copies.append((samples[index], samples[first]))
            elif skip_unreadable:
                skipped.append((str(samples[index].path), str(error)))
            else:
                pool.shutdown(wait=False, cancel_futures=True)
                raise error
            advance()
    if skipped and not kept:
        raise DatasetError(f"None of the {total} images can be read; the first one: {skipped[0][1]}")
    different = list(kept.values())
    groups = np.zeros(total, np.int64)
    groups[different] = first_of_copies(np.array([thumbnails[index] for index in different]))
    owners = np.repeat(np.arange(total), counts)
    rows = Rows(out, owners, list(samples), sizes, digests, skipped, copies, groups, [])
    return rows.only(np.array(different, np.int64))


def load_mask(mask: FilePath) -> np.ndarray:
    """What a sample's mask, a file or a folder of several, marks as defective: bool [H, W].

    Raises:
        DatasetError: a folder holds no masks, or masks of different sizes.
        ImageError: as `blemish.images.reading.read_mask`.
    """
    parts = [read_mask(file) for file in mask_files(Path(mask))]
    if len({part.shape for part in parts}) != 1:
        raise DatasetError(f"{mask} must hold masks of one size; give each the size of its image.")
    return np.asarray(np.logical_or.reduce(parts))


def _count_rows(sample: Sample, frame: Frame) -> int:
    """How many rows the image has; one that cannot be read has none, and says why when it is loaded."""
    if frame.tile is None:
        return 1
    try:
        width, height = framed_size(*image_size(sample.path), frame)
    except ImageError:
        return 0
    return len(Grid.of(height, width, frame)) if width * height <= MAX_PIXELS else 0
