"""The threshold of a graph that scores differently, from good images that it did not learn from."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from blemish.calibration import Calibration
from blemish.datasets import Dataset
from blemish.errors import DatasetError, ModelFileError
from blemish.images.changes import draw
from blemish.images.frame import Frame
from blemish.images.reading import frame_digest, load_frame
from blemish.images.tiling import Grid
from blemish.inference.engines.base import Engine
from blemish.inference.held_out_maps import peaks_of
from blemish.inference.model_file import Metadata
from blemish.inference.scoring import calibrate
from blemish.progress import progress_bar
from blemish.training.read_images import GoodImages

log = logging.getLogger(__name__)

RANGE_IMAGES = 64
RANGE_SHARE = 0.25  # of new images, where none was learned from
BATCH_SIZE = 8


class Roles(NamedTuple):
    """What good images are used for; none has both uses, unless each calibrates while it is left out.

    Attributes:
        data: name of the data set.
        ranges: give the ranges of the activations.
        calibration: give the scores that thresholds and p-values follow from.
        held_out: how many of the latter `fit` held out; the others it never saw.
    """

    data: str
    ranges: list[Path]
    calibration: list[Path]
    held_out: int


def fitted_digests(metadata: Metadata) -> tuple[set[str], set[str]]:
    """Digests (`frame_digest`) of the images that a model learned from, and of those held out.

    Raises:
        ModelFileError: the file does not say.
    """
    from blemish.training.batches import split_groups

    digests, training = metadata.data.get("frames", []), metadata.training
    if len(digests) < 2:
        raise ModelFileError("The model does not say which images it was fitted to; fit it again.")
    if "validation_share" not in training:  # each was left out in its turn
        return set(digests), set()
    groups = np.array(metadata.data.get("groups", range(len(digests))))
    learn, hold_out = split_groups(groups, training["validation_share"], training["seed"])
    learned = {digests[index] for index in learn}
    return learned, {digests[index] for index in hold_out} - learned


def assign_roles(dataset: Dataset, metadata: Metadata) -> Roles:
    """Sort the good images of a data set by what the model did with them; test images are not touched.

    Images that were learned from give the ranges, all others the calibration. Where none was learned from,
    a quarter of them gives the ranges.

    Raises:
        ModelFileError: the model does not say what it was fitted to.
        DatasetError: no image is left to calibrate on.
        ImageError: an image cannot be used.
    """
    learned, held_out = fitted_digests(metadata)
    paths: dict[str, Path] = {}  # a copy of an image is no other image
    with progress_bar("Sorting images", len(dataset.train)) as advance:
        for sample in dataset.train:
            paths.setdefault(frame_digest(load_frame(sample.path, metadata.frame)), sample.path)
            advance()
    if copies := len(dataset.train) - len(paths):
        log.warning(f"{copies} of {len(dataset.train)} images are copies of others and are left out.")
    others = (set(metadata.data["frames"]) - held_out).union(metadata.data.get("left_out", []))
    ranges = [digest for digest in paths if digest in learned]
    calibration = [digest for digest in paths if digest not in others]
    rng = np.random.default_rng(0)
    if not ranges:
        count = max(1, int(RANGE_SHARE * len(calibration)))
        ranges = [calibration[index] for index in np.sort(rng.permutation(len(calibration))[:count])]
        calibration = [digest for digest in calibration if digest not in set(ranges)]
    if not calibration:
        raise DatasetError(
            f"{dataset.name} holds no good images to calibrate int8 on, only {len(ranges)} that the model "
            "learned from or that ranges are taken from; add ones that it held out, or new ones."
        )
    wanted = len(metadata.calibration["scores"])
    if len(calibration) < wanted:
        log.warning(f"int8 is calibrated on fewer images ({len(calibration)}) than the original ({wanted}).")
    order = np.sort(rng.permutation(len(ranges))[:RANGE_IMAGES])
    return Roles(
        dataset.name,
        [paths[ranges[index]] for index in order],
        [paths[digest] for digest in calibration],
        len(held_out.intersection(calibration)),
    )


def learned_roles(name: str, images: GoodImages) -> Roles:
    """Of a model that remembers every image and leaves those that calibrate out in their turn."""
    paths = [sample.path for sample in images.rows.samples]
    order = np.sort(np.random.default_rng(0).permutation(len(paths))[:RANGE_IMAGES])
    return Roles(
        name, [paths[index] for index in order], [paths[index] for index in images.held_out], held_out=0
    )


def range_images(roles: Roles, frame: Frame) -> Iterator[np.ndarray]:
    """Batches uint8 [B, S, S, 3] of the images that give the ranges; of a tiled image some of its tiles."""
    rng = np.random.default_rng(0)
    each = -(-RANGE_IMAGES // len(roles.ranges))
    batch: list[np.ndarray] = []
    for path in roles.ranges:
        picture = load_frame(path, frame)
        tiles = list(Grid.of(picture.shape[0], picture.shape[1], frame).cut(picture))
        batch += [tiles[index] for index in rng.permutation(len(tiles))[:each]]
        while len(batch) >= BATCH_SIZE:
            yield np.stack(batch[:BATCH_SIZE])
            del batch[:BATCH_SIZE]
    if batch:
        yield np.stack(batch)


def recalibrate(metadata: Metadata, engine: Engine, roles: Roles) -> tuple[Calibration, list[np.ndarray]]:
    """The scores and reduced maps of this engine on the calibration images."""
    with progress_bar("Calibrating", len(roles.calibration)) as advance:
        rng = np.random.default_rng(0)
        pictures = (
            draw(load_frame(path, metadata.frame), metadata.tolerate, rng) for path in roles.calibration
        )
        scores, maps = calibrate(engine, metadata.frame, pictures, advance)
    calibration = Calibration(scores, metadata.calibration["false_alarm_rate"])
    if calibration.note:
        log.warning(calibration.note)
    return calibration, maps


def as_integers(
    metadata: Metadata, roles: Roles, calibration: Calibration, maps: list[np.ndarray]
) -> Metadata:
    """The description of an int8 graph with its own calibration."""
    return metadata.model_copy(
        update={
            "precision": "int8",
            "calibration": calibration.to_dict(),
            "map_peaks": peaks_of(maps),
            "quantisation": {
                "data": roles.data,
                "range_images": len(roles.ranges),
                "calibration_images": len(roles.calibration),
                "held_out": roles.held_out,
            },
        }
    )
