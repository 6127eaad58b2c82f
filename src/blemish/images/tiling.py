"""Large images as overlapping tiles, and the tiles' maps blended back into one. NumPy alone."""

import math
from collections.abc import Iterator

import numpy as np

from blemish.images.frame import Frame, Shape


def tile_starts(side: int, tile: int, overlap: float) -> list[int]:
    """Where the tiles along one side of an image begin: evenly spread, the last one flush with the border.

    As few as cover the side, of at least `tile` pixels, with neighbours that overlap by at least the share
    `overlap`, in [0, 0.75], of a tile.
    """
    step = tile - math.ceil(overlap * tile)
    steps = -(-(side - tile) // step)
    return [number * (side - tile) // steps for number in range(steps + 1)] if steps else [0]


class Grid:
    """The tiles of one picture, counted row by row.

    The maps of tiles are blended with weights that fall smoothly from a tile's middle to its sides and sum to
    one at every pixel. A tile's outermost pixels, whose surroundings the network saw least of, count least
    wherever a neighbour shows them too.

    Attributes:
        height, width: of the picture in pixels, each at least a tile's.
        tile: height and width of a tile.
        corners: top and left of each tile.
    """

    def __init__(self, height: int, width: int, tile: Shape, overlap: float) -> None:
        self.height, self.width, self.tile = height, width, tile
        rows, columns = tile_starts(height, tile[0], overlap), tile_starts(width, tile[1], overlap)
        self.corners = [(top, left) for top in rows for left in columns]
        self._down = dict(zip(rows, _weights(rows, height, tile[0]), strict=True))
        self._across = dict(zip(columns, _weights(columns, width, tile[1]), strict=True))

    @classmethod
    def of(cls, height: int, width: int, frame: Frame) -> "Grid":
        """The grid of a framed picture of this size; without tiles in the frame the picture is one tile."""
        return cls(height, width, frame.shape, frame.overlap)

    def __len__(self) -> int:
        return len(self.corners)

    def cut(self, picture: np.ndarray) -> Iterator[np.ndarray]:
        """Views of the tiles, uint8 [h, w, 3] each, of a picture, uint8 [height, width, 3]."""
        for top, left in self.corners:
            yield picture[top : top + self.tile[0], left : left + self.tile[1]]

    def join(self, tiles: np.ndarray) -> np.ndarray:
        """The picture, uint8 [height, width, 3], that `cut` gave these tiles of, uint8 [tiles, h, w, 3]."""
        picture = np.empty((self.height, self.width, 3), np.uint8)
        for (top, left), tile in zip(self.corners, tiles, strict=True):
            picture[top : top + self.tile[0], left : left + self.tile[1]] = tile
        return picture

    def add(self, whole: np.ndarray, number: int, tile_map: np.ndarray) -> None:
        """Add the weighted map of one tile, float32 [h, w], to the picture's map `whole`, in place.

        That is float32 [height, width], zeros before the first tile, and complete with the last.
        """
        top, left = self.corners[number]
        weights = self._down[top][:, None] * self._across[left]
        whole[top : top + self.tile[0], left : left + self.tile[1]] += weights * tile_map


def _weights(starts: list[int], side: int, tile: int) -> np.ndarray:
    """What each tile counts at each of its pixels along one side, float32 [tiles, S], one in all."""
    window = np.sin(np.pi * (np.arange(tile) + 0.5) / tile) ** 2
    total = np.zeros(side)
    for start in starts:
        total[start : start + tile] += window
    return np.array([window / total[start : start + tile] for start in starts], np.float32)
