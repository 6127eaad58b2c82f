"""What must hold for the samples as a whole before anything is learnt or measured."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from blemish.datasets.copies import SIDE, first_of_copies, thumbnail
from blemish.datasets.sample import Dataset, Sample, mask_files
from blemish.errors import DatasetError, ImageError
from blemish.files import file_digest
from blemish.images.reading import frame_digest, image_size, read_image


def check_dataset(dataset: Dataset, source: str) -> None:
    """Refuse a data set that is empty, learns from what it is measured on, or has masks that do not fit.

    Reads file headers, and contents only where a training and a test file have the same number of bytes.

    Raises:
        DatasetError: with the sample at fault.
    """
    if not dataset.train and not dataset.test:
        raise DatasetError(
            f"{source} holds no images; give a folder with PNG, JPEG, BMP, TIFF or WebP files."
        )
    check_disjoint((dataset.train, "the training set"), (dataset.test, "the test set"))
    for sample in dataset.test:
        check_mask(sample)


def check_trainable(dataset: Dataset) -> None:
    """Refuse a data set with fewer than two good images to learn from, or with defective ones among them.

    Raises:
        DatasetError: with the number found, or the sample at fault.
    """
    for sample in dataset.train:
        if sample.label == 1:
            raise DatasetError(f"{sample.path} is defective but meant for training; move it to the test set.")
    if len(dataset.train) < 2:
        found = "1 good image" if dataset.train else "0 good images"
        raise DatasetError(f"{dataset.name} has {found} to learn from; give at least 2, better 50 or more.")


def check_disjoint(first: tuple[list[Sample], str], second: tuple[list[Sample], str]) -> None:
    """Refuse an image that two lists of samples, each given with its name, both hold, byte for byte.

    Raises:
        DatasetError: with the first such pair.
    """
    by_size, others = _by_size(first[0]), _by_size(second[0])
    for size in sorted(by_size.keys() & others.keys()):
        seen = {_digest(path): path for path in by_size[size]}
        seen.pop(None, None)
        for path in others[size]:
            if twin := seen.get(_digest(path)):
                raise DatasetError(
                    f"{path} in {second[1]} is the same image as {twin} in {first[1]}; remove one."
                )


def without_copies(samples: list[Sample]) -> tuple[list[Sample], np.ndarray]:
    """The samples without those whose pixels equal an earlier one's, and the groups of near-equal ones.

    What cannot be read is kept.

    Returns:
        The samples, and for each the number of the first of its group, int64
        (`blemish.datasets.copies.first_of_copies`).
    """

    def look(sample: Sample) -> tuple[str, np.ndarray]:
        try:
            image = read_image(sample.path)
        except ImageError:  # told, or skipped, when the image is loaded
            return str(sample.path), thumbnail(np.zeros((SIDE, SIDE, 3), np.uint8))
        return f"{image.shape} {frame_digest(image)}", thumbnail(image)

    first: dict[str, tuple[Sample, np.ndarray]] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for sample, (seen, small) in zip(samples, pool.map(look, samples), strict=True):
            first.setdefault(seen, (sample, small))
    different, thumbnails = zip(*first.values(), strict=True) if first else ((), ())
    return list(different), first_of_copies(np.array(thumbnails))


def check_mask(sample: Sample) -> None:
    """Refuse a mask that does not have its image's size; an image that cannot be read is passed over.

    Raises:
        DatasetError: with both sizes.
        ImageError: the mask cannot be read.
    """
    sizes = {mask: image_size(mask) for mask in mask_files(sample.mask)}
    try:
        size = image_size(sample.path) if sizes else (0, 0)
    except ImageError:
        return  # told, or skipped, when the image is loaded
    for mask, (width, height) in sizes.items():
        if (width, height) != size:
            raise DatasetError(
                f"{mask} is {width} x {height} pixels, but {sample.path} is {size[0]} x {size[1]}; "
                "give the mask the size of its image."
            )


def _by_size(samples: Iterable[Sample]) -> dict[int, list[Path]]:
    groups: dict[int, list[Path]] = {}
    for sample in samples:
        with suppress(OSError):  # told, or skipped, when the image is loaded
            if sample.path.is_file():
                groups.setdefault(sample.path.stat().st_size, []).append(sample.path)
    groups.pop(0, None)
    return groups


def _digest(path: Path) -> str | None:
    """None for a file that may not be read: that is told, or skipped, when the image is loaded."""
    with suppress(OSError):
        return file_digest(path)
    return None
