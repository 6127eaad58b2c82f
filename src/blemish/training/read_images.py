"""The good images of a fit, read into rows, and what the user should know of them."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from statistics import mode
from typing import Any

import numpy as np

from blemish.datasets import Dataset, Sample
from blemish.datasets.checks import check_trainable
from blemish.datasets.loading import Rows, load_rows
from blemish.errors import ConfigError, DatasetError, ImageError
from blemish.images.alignment import SHIFT, SHOWN, TURN, Reference
from blemish.images.changes import describe, draw, learned_changes
from blemish.images.frame import MIN_SIDE, Shape
from blemish.images.known_part import MOST, KnownPart, thumbnail
from blemish.images.maps import shrunk_size
from blemish.images.reading import image_size, load_shrunk, used_bits
from blemish.models.config import ModelConfig
from blemish.models.memory_bank.config import TrainingFreeConfig
from blemish.training.cache import room_for_images
from blemish.training.config import RunConfig

LOOKED_AT = 8  # images, for the bits that all of them use
LEFT_OUT = 1000  # images at most that are left out in their turn
FEW = 16  # images, whose directions are far from all there are

log = logging.getLogger(__name__)


class GoodImages:
    """Images that were read, split into those to learn from and those held out.

    Where a method leaves images out by turns, all are learned from.

    Attributes:
        learned, held_out: which of the K images of `rows`, int64 ascending; near-equal images are all learned
            from, or their first is held out or left out in its turn, with them.
        learn_rows, held_out_rows: the rows of either part, int64 ascending, those of changed versions among
            them.
        changes: whose outcomes are learned from beside each image.
    """

    def __init__(self, rows: Rows, config: RunConfig) -> None:
        from blemish.training.batches import split_groups  # brings torch

        self.rows, self.config, self.changes = rows, config, learned_changes(config.tolerate)
        training = config.training
        self.learned, self.held_out = split_groups(rows.groups, training.validation_share, training.seed)
        if config.model.leave_one_out:
            self.learned, firsts = np.arange(len(rows.samples)), np.unique(rows.groups)
            self.held_out = firsts[:: -(-len(firsts) // LEFT_OUT)]
        self.learn_rows, self.held_out_rows = rows.of(self.learned), rows.of(self.held_out)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all rows."""
        return hashlib.sha256(np.ascontiguousarray(self.rows.images).data).hexdigest()

    def tell(self) -> None:
        """What is learned from and what calibrates."""
        count, held_out, config = len(self.rows.samples), len(self.held_out), self.config
        different = len(np.unique(self.rows.groups))
        if different < count:
            log.warning(
                f"Of {count} images {different} differ; the others, re-encoded, shifted or taken twice, are "
                f"learned from, but the false-alarm rate counts {different} images."
            )
        if config.model.leave_one_out:
            which = "each" if held_out == different else f"one in {-(-different // LEFT_OUT)}"
            log.info(f"{count} good images to learn from; {which} is left out in its turn to calibrate.")
        else:
            log.info(f"{count} good images: {len(self.learned)} to learn from, {held_out} held out.")
        if config.frame.tile:
            log.info(f"They were cut into {self.tiles} tiles.")
        if count <= FEW and isinstance(config.model, TrainingFreeConfig) and "turn" not in config.tolerate:
            log.info(
                f"{FEW} images or fewer: where parts may lie in any direction, --tolerate turn learns from "
                "turned versions too and finds more."
            )
        if config.tolerate:
            log.info(
                f"Tolerated: {describe(config.tolerate)}; {len(self.changes)} changed versions of "
                "each image are learned from too, and each image that calibrates is changed at random."
            )

    def only(self, samples: np.ndarray) -> "GoodImages":
        """Those of some of the K images, int64 ascending; this object is used up (`Rows.only`)."""
        return GoodImages(self.rows.only(samples), self.config)

    @property
    def tiles(self) -> int:
        """How many rows show images as they are."""
        return len(self.rows.images) // (1 + len(self.changes))

    def calibrating(self, index: int) -> np.ndarray:
        """One of the K framed images as it calibrates, changed as is tolerated; uint8 [height, width, 3]."""
        rng = np.random.default_rng([self.config.training.seed, index])
        return draw(self.rows.picture(index, self.config.frame), self.config.tolerate, rng)

    def known_part(self) -> dict[str, Any]:
        """What tells other parts apart, for the model file; empty, with a remark, where nothing does."""
        versions = 1 + len(self.changes)
        chosen = range(0, len(self.rows.samples), -(-len(self.rows.samples) * versions // MOST))
        references = []
        for index in chosen:
            picture = self.rows.picture(index, self.config.frame)
            changed = (change(picture) for change in self.changes)
            references.append([thumbnail(version) for version in chain([picture], changed)])
        known = KnownPart.learn(references, map(self.calibrating, chosen))
        if known is None:
            log.info(
                "Pictures of other parts will not be told apart: the good images are too few, or differ too "
                "much among themselves."
            )
        return known.to_dict() if known else {}

    def some(self, rows: np.ndarray, most: int) -> np.ndarray:
        """Up to `most` of these rows at even distances, uint8 [n, H, W, 3]."""
        return self.rows.images[rows[:: -(-len(rows) // most)]]


def shapes_of(samples: Sequence[Sample]) -> Iterator[Shape]:
    """Height and width of all images whose headers can be read."""
    for sample in samples:
        with suppress(ImageError):
            width, height = image_size(sample.path)
            yield height, width


def with_reference(config: RunConfig, samples: Sequence[Sample], shapes: Sequence[Shape]) -> RunConfig:
    """The run with the good image that others are moved onto, if they are to be.

    Args:
        shapes: height and width of the images; those of another shape are stretched to the most common one.

    Raises:
        ConfigError: the images do not lie alike.
    """
    if not config.frame.align:
        return config
    height, width = mode(shapes)
    size, pictures = shrunk_size(width, height, SHOWN), []
    for sample in samples[:: -(-len(samples) // MOST)]:
        with suppress(ImageError):
            pictures.append(load_shrunk(sample.path, config.frame.bit_depth, size))
    reference = Reference.learn(pictures) if len(pictures) > 1 else None
    if reference is None:
        raise ConfigError(
            f"More than one in ten good images match no other, shifted by up to {100 * SHIFT:g} % of a side "
            f"and turned by up to {TURN:g} degrees: their parts lie in any direction, or differ; leave out "
            "--align."
        )
    return config.model_copy(update={"frame": config.frame.model_copy(update={"reference": reference})})


def read_images(dataset: Dataset, config: RunConfig, folder: Path, *, skip_unreadable: bool) -> GoodImages:
    """Decode the images to learn from; what memory does not hold lies in a nameless file of `folder`.

    Raises:
        BlemishError: too few can be read, or there is no room for them.
    """
    allocate = partial(room_for_images, gigabytes=config.training.cache_gigabytes, folder=folder)
    try:
        rows = load_rows(
            dataset.train,
            config.frame,
            changes=learned_changes(config.tolerate),
            skip_unreadable=skip_unreadable,
            allocate=allocate,
        )
    except ImageError as error:
        raise ImageError(
            f"{str(error).removesuffix('.')}, or leave such files out with --skip-unreadable."
        ) from error
    for _, reason in rows.skipped:
        log.warning(f"Skipped: {reason}")
    if rows.skipped:
        log.warning(f"{len(rows.skipped)} of {len(dataset.train)} images were skipped as unreadable.")
    for remark in _remarks(rows.samples[0].path, config):
        log.warning(remark)
    if config.frame.bit_depth == 16:
        _tell_unused_bits([sample.path for sample in rows.samples[:: -(-len(rows.samples) // LOOKED_AT)]])
    if rows.copies:
        copy, original = rows.copies[0]
        if len(rows.samples) == 1:
            raise DatasetError(
                f"All {len(rows.copies) + 1} images of {dataset.name} look the same to the network as "
                f"{original.path}; give at least 2 that differ, better 50 or more."
            )
        log.warning(
            f"{len(rows.copies)} of {len(dataset.train)} images are copies of others and are left out; "
            f"the first is {copy.path}, which looks the same to the network as {original.path}."
        )
    check_trainable(Dataset(dataset.name, train=rows.samples))
    return GoodImages(rows, config)


def _remarks(path: Path, config: RunConfig) -> Iterator[str]:
    """What the user should know of how the frame shows the first image."""
    width, height = image_size(path)
    frame = config.frame
    if frame.tile:
        if frame.resize is None and min(width, height) < frame.tile:
            yield (
                f"{path.name} is {width} x {height} pixels, smaller than a tile of {frame.tile} x "
                f"{frame.tile}, and is enlarged; --tile is for larger images."
            )
    elif not hasattr(config.model, "backbone") and max(width, height) < frame.size:
        enlarged = f"{path.name} is enlarged from {width} x {height} to {frame.size} pixels"
        cheaper = _largest_size(config.model, max(width, height) if frame.pad else min(width, height))
        yield f"{enlarged}; frame.resize={cheaper} would cost less." if cheaper else f"{enlarged}."


def _tell_unused_bits(paths: list[Path]) -> None:
    used = {path: bits for path in paths if (bits := used_bits(path)) is not None}
    most = max(used.values(), default=16)
    if most <= 14:
        depth = max(8, most + most % 2)
        log.warning(
            f"16-bit images such as {next(iter(used)).name} stay below {2**most} of 65536 and are very dark; "
            f"set frame.bit_depth={depth} to make all 16-bit images, here and in predict, "
            f"{2 ** (16 - depth)} times as bright."
        )


def _largest_size(model: ModelConfig, limit: int) -> int | None:
    for size in range(limit, MIN_SIDE - 1, -1):
        with suppress(ValueError):
            model.check_image_size(size)
            return size
    return None
