"""What a data set is made of."""

from dataclasses import dataclass, field
from pathlib import Path

from blemish.images.finding import find_images

GOOD = "good"
GOOD_NAMES = frozenset({GOOD, "ok", "normal", "0.normal"})  # of folders, classes and labels


def is_good(name: str) -> bool:
    """Whether a folder, class or label of this name, in upper or lower case, stands for good images."""
    return name.lower() in GOOD_NAMES


@dataclass(frozen=True)
class Sample:
    """One image file and what is known about it.

    Attributes:
        path: the image file.
        label: 0 for a good image, 1 for a defective one, None where nobody said.
        defect: the kind of defect (its folder's name), "good" for a good image.
        mask: the ground-truth mask file (non-zero pixels are defective), a folder of several, of which each
            marks a part, or None.
        part: the part that it shows, where several pictures may show one; "" where nobody said.
    """

    path: Path
    label: int | None = None
    defect: str = GOOD
    mask: Path | None = None
    part: str = ""


@dataclass(frozen=True)
class Dataset:
    """Samples to learn from (all good) and samples to measure on.

    `train` never holds a defective sample and may be empty (nothing to learn from, only to measure on).
    `test` may be empty (only good images were given).
    """

    name: str
    train: list[Sample] = field(default_factory=list)
    test: list[Sample] = field(default_factory=list)


def mask_files(mask: Path | None) -> list[Path]:
    """The files that the mask of a sample consists of.

    Raises:
        DatasetError: a folder may not be listed.
    """
    if mask is None:
        return []
    return find_images(mask) if mask.is_dir() else [mask]
