"""Images to learn from that a list leaves out."""

import logging
import os
from dataclasses import replace
from pathlib import Path

from blemish.datasets.sample import Dataset
from blemish.errors import DatasetError, explained

log = logging.getLogger(__name__)


def without_listed(dataset: Dataset, listing: str | Path | None) -> Dataset:
    """The data set without the images to learn from that a text file names, one path a line.

    Paths are absolute or relative to the working folder, as `blemish check --suspects` writes them; None
    leaves all.

    Raises:
        DatasetError: the file cannot be read, names something else, or names all of them.
    """
    if listing is None:
        return dataset
    with explained(
        DatasetError, lambda why: f"The list {listing} cannot be read: {why}.", OSError, UnicodeDecodeError
    ):
        text = Path(listing).read_text(encoding="utf-8", errors="surrogateescape")
    listed = {os.path.realpath(line): line for line in text.splitlines() if line.strip()}
    places = [os.path.realpath(sample.path) for sample in dataset.train]
    if strange := [line for place, line in listed.items() if place not in set(places)]:
        raise DatasetError(
            f"{listing} names {strange[0]}, which is none of the images of {dataset.name} to learn from; "
            "mend the list, or start in the folder that its paths begin in."
        )
    train = [sample for place, sample in zip(places, dataset.train, strict=True) if place not in listed]
    if not train:
        raise DatasetError(f"{listing} names all images of {dataset.name}; leave some to learn from.")
    if listed:
        log.info(f"{len(dataset.train) - len(train)} images are left out, as {listing} says.")
    return replace(dataset, train=train)
