"""Whether a picture shows the part that a model knows: small grey pictures, compared without a network.

A picture is told by the differences between neighbouring cells of its 16 x 16 thumbnail, relative to their
own size, so that its brightness does not count, and its distance is that to the nearest good picture. A
defect changes a few cells of them, another part nearly all.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

SIDE = 16  # cells
USUAL = 0.9  # of good pictures, from whose distances to each other the limit is taken
FACTOR = 2.5  # times the distance within which they lie
LEAST = 0.5  # a limit: a large defect on one of many like pictures lies nearer
UNRELATED = 1.0  # pictures that have nothing to do with each other lie about so far apart
FEWEST = 10  # good pictures, below which their distances say too little
MOST = 200  # thumbnails in a model file

_FLAT = 1.0  # grey levels: smaller differences are noise


@dataclass(frozen=True, eq=False)
class KnownPart:
    """Thumbnails of good pictures, and how far from all of them another part begins.

    Attributes:
        thumbnails: uint8 [n, 16, 16].
        limit: the mean absolute difference between two pictures' features, inside (0, 1).

    Raises:
        ValueError: another shape, or a limit out of range.
    """

    thumbnails: np.ndarray
    limit: float

    def __post_init__(self) -> None:
        if self.thumbnails.shape[1:] != (SIDE, SIDE) or not len(self.thumbnails):
            raise ValueError(f"thumbnails are [n, {SIDE}, {SIDE}], not {self.thumbnails.shape}")
        if not 0 < self.limit < UNRELATED:
            raise ValueError(f"the limit is inside (0, {UNRELATED:g}), not {self.limit}")

    @classmethod
    def learn(
        cls, references: Sequence[Sequence[np.ndarray]], pictures: Iterable[np.ndarray]
    ) -> "KnownPart | None":
        """Take the limit from how far good pictures lie from the others.

        Args:
            references: thumbnails of each good picture and its changed versions.
            pictures: each of them once more, uint8 [H, W, 3], as it may come.

        Returns:
            None where nothing can be told: the pictures are too few, or as unlike each other as another part
            would be.
        """
        if len(references) < FEWEST:
            return None
        thumbnails = np.stack([one for versions in references for one in versions])
        owners = np.repeat(np.arange(len(references)), [len(versions) for versions in references])
        features = _features(thumbnails)
        distances = [
            _distance(thumbnail(picture), features[owners != owner]) for owner, picture in enumerate(pictures)
        ]
        limit = max(LEAST, FACTOR * float(np.quantile(distances, USUAL, method="higher")))
        return cls(thumbnails, limit) if limit < UNRELATED else None

    def is_other(self, picture: np.ndarray) -> bool:
        """Whether a framed picture, uint8 [H, W, 3], is unlike every good one, as another part would be."""
        return _distance(thumbnail(picture), self._known) > self.limit

    def to_dict(self) -> dict[str, Any]:
        """Values for JSON; `from_dict` gives back exactly the same."""
        return {"thumbnails": [b64encode(one).decode() for one in self.thumbnails], "limit": self.limit}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "KnownPart":
        """What `to_dict` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is damaged.
        """
        flat = np.frombuffer(b"".join(map(b64decode, data["thumbnails"])), np.uint8)
        return cls(flat.reshape(-1, SIDE, SIDE), float(data["limit"]))

    @cached_property
    def _known(self) -> np.ndarray:
        return _features(self.thumbnails)


def other_parts(count: int, images: int) -> str:
    """A sentence on how many of so many pictures show another part."""
    look = "1 image looks" if count == 1 else f"{count} images look"
    return (
        f"{look} as a whole unlike every good one that the model was fitted to, of {images} in all "
        "(is_other_part): is this the part that the model knows?"
    )


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """A picture, uint8 [H, W, 3], averaged over 16 x 16 cells: uint8 [16, 16] of grey."""
    grey = Image.fromarray(picture).convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BOX))


def _features(thumbnails: np.ndarray) -> np.ndarray:
    """[n, 16, 16] to float32 [n, 450]: differences to the next cells, with a root mean square of about 1."""
    cells = thumbnails.astype(np.float32)
    right, down = np.diff(cells, axis=2)[:, 1:], np.diff(cells, axis=1)[:, :, 1:]
    values = np.stack([right, down], axis=1).reshape(len(cells), -1)
    return values / np.sqrt((values**2).mean(axis=1, keepdims=True) + _FLAT)


def _distance(one: np.ndarray, known: np.ndarray) -> float:
    """From a thumbnail to the nearest of these features."""
    return float(np.abs(known - _features(one[None])).mean(axis=1).min())
