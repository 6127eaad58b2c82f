"""What a data set is made of."""

from dataclasses import dataclass, field
from pathlib import Path

GOOD = "good"


@dataclass(frozen=True)
class Sample:
    """One image file and what is known about it.

    Attributes:
        path: the image file.
        label: 0 for a good image, 1 for a defective one, None where nobody said.
        defect: the kind of defect (its folder's name), "good" for a good image.
        mask: the ground-truth mask file (non-zero pixels are defective), or None.
    """

    path: Path
    label: int | None = None
    defect: str = GOOD
    mask: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """Samples to learn from (all good) and samples to measure on.

    `train` never holds a defective sample and may be empty (nothing to learn from, only to measure on).
    `test` may be empty (only good images were given).
    """

    name: str
    train: list[Sample] = field(default_factory=list)
    test: list[Sample] = field(default_factory=list)
