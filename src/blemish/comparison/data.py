"""What is fitted to, what is measured on, and the synthetic defects where there are no real ones."""

import logging
import random
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from blemish.datasets import Dataset, Sample, check_trainable
from blemish.datasets.checks import without_copies
from blemish.datasets.synthetic import KINDS, STRENGTHS, draw_defect
from blemish.errors import DatasetError
from blemish.images.drawing import save_png
from blemish.images.reading import read_image
from blemish.progress import progress_bar

KEPT_OUT = 4  # one in so many good images, where there are no good test images
MOST_ORIGINALS = 40  # kept-out images that get synthetic defects
LEAST = 8  # good images, where some must be kept out

log = logging.getLogger(__name__)


def split_dataset(dataset: Dataset) -> tuple[Dataset, int]:
    """Keep every fourth good image, of a fixed permutation, out of fitting where no good test images are
    given; of copies one is used, and near-equal ones fall on the same side.

    Returns:
        What is fitted to and measured on, with good images among the latter; and how many of these were taken
        from those to fit to.

    Raises:
        DatasetError: there are too few good images, or a test image has no label.
    """
    for sample in dataset.test:
        if sample.label not in (0, 1):
            raise DatasetError(f"{sample.path} has no label: say whether it is good or defective.")
    if any(sample.label == 0 for sample in dataset.test):
        check_trainable(dataset)
        return dataset, 0
    different, groups = without_copies(dataset.train)
    firsts = np.unique(groups)
    count = len(different)
    if copies := len(dataset.train) - count:
        log.warning(f"{copies} of {len(dataset.train)} good images are copies of others and are left out.")
    if len(firsts) < LEAST:
        found = "1 good image" if len(firsts) == 1 else f"{len(firsts)} good images"
        raise DatasetError(
            f"{dataset.name} has {found}, and some must be kept out to measure on; "
            f"give at least {LEAST}, better 50 or more."
        )
    order = list(range(len(firsts)))
    random.Random(0).shuffle(order)
    kept = {firsts[number] for number in order[::KEPT_OUT]}
    good = [different[index] for index in sorted(kept)]
    train = [sample for sample, group in zip(different, groups, strict=True) if group not in kept]
    return replace(dataset, train=train, test=good + dataset.test), len(good)


def draw_synthetic(good: list[Sample], folder: Path, side: int | None, bit_depth: int = 16) -> list[Sample]:
    """Write kept-out good images and copies of them with a synthetic defect of each kind and strength.

    Large images are made smaller first, the clean copies alike, so that the defect is all that differs. The
    same images give the same files.

    Args:
        good: kept-out good images; the first `MOST_ORIGINALS` are used.
        folder: to write PNG files to; it may hold those of an earlier run.
        side: pixels that the shorter side has at most; None keeps the images as they are.
        bit_depth: see `blemish.images.frame.Frame`.

    Returns:
        Per original the clean copy (label 0), then its defective ones (label 1) by kind and strength, with
        masks; their `defect` is "kind, strength".

    Raises:
        ImageError: an image cannot be read.
    """
    originals = good[:MOST_ORIGINALS]
    folder.mkdir(parents=True, exist_ok=True)
    samples = []
    other = _reduced(originals[-1].path, side, bit_depth)
    with progress_bar("Drawing synthetic defects", len(originals)) as advance:
        for number, original in enumerate(originals):
            image, clean = _reduced(original.path, side, bit_depth), folder / f"{number:03}.png"
            save_png(image, clean)
            samples.append(Sample(clean, 0))
            for kind, strength in product(KINDS, STRENGTHS):
                name = f"{number:03}-{kind}-{strength}"
                file, mask_file = folder / f"{name}.png", folder / f"{name}-mask.png"
                drawn, mask = draw_defect(image, kind, strength, seed=(number,), other=other)
                save_png(drawn, file)
                save_png(mask, mask_file)
                samples.append(Sample(file, 1, f"{kind}, {strength}", mask_file))
            other = image
            advance()
    return samples


def _reduced(path: Path, side: int | None, bit_depth: int) -> np.ndarray:
    image = read_image(path, bit_depth)
    height, width = image.shape[:2]
    if side is None or side >= min(height, width):
        return image
    share = side / min(height, width)
    size = (max(side, round(width * share)), max(side, round(height * share)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
