"""Large images as overlapping tiles, and the tiles' maps blended back into one. NumPy alone.

A picture that does not fill its one tile lies in the middle of it.
"""

import math
from collections.abc import Iterator

import numpy as np

from blemish.images.frame import Frame, Shape

Region = tuple[slice, slice]


def tile_starts(side: int, tile: int, overlap: float) -> list[int]:
    """Where the tiles along one side of an image begin: evenly spread, the last one flush with the border.

    As few as cover the side with neighbours that overlap by at least the share `overlap`, in [0, 0.75], of a
    tile. One that is longer than the side begins before it, and reaches as far beyond it.
    """
    if side < tile:
        return [-((tile - side) // 2)]
    step = tile - math.ceil(overlap * tile)
    steps = -(-(side - tile) // step)
    return [number * (side - tile) // steps for number in range(steps + 1)] if steps else [0]


class Grid:
    """The tiles of one picture, counted row by row. What they show beyond it repeats its border.

    The maps of tiles are blended with weights that fall smoothly from a tile's middle to its sides and sum to
    one at every pixel. A tile's outermost pixels, whose surroundings the network saw least of, count least
    wherever a neighbour shows them too.

    Attributes:
        height, width: of the picture in pixels.
        tile: height and width of a tile.
        corners: top and left of each tile; negative where it begins before the picture.
    """

    def __init__(self, height: int, width: int, tile: Shape, overlap: float) -> None:
        self.height, self.width, self.tile = height, width, tile
        rows, columns = tile_starts(height, tile[0], overlap), tile_starts(width, tile[1], overlap)
        self.corners = [(top, left) for top in rows for left in columns]
        self._down = dict(zip(rows, _weights(rows, height, tile[0]), strict=True))
        self._across = dict(zip(columns, _weights(columns, width, tile[1]), strict=True))

    @classmethod
    def of(cls, height: int, width: int, frame: Frame) -> "Grid":
        """The grid of a framed picture of this size; without tiles in the frame it has one."""
        return cls(height, width, frame.shape, frame.overlap)

    def __len__(self) -> int:
        return len(self.corners)

    def cut(self, picture: np.ndarray) -> Iterator[np.ndarray]:
        """The tiles, uint8 [h, w, 3] each, of a picture, uint8 [height, width, 3]."""
        for number in range(len(self)):
            inside, shown = self._overlap(number)
            tile = picture[inside]
            if tile.shape[:2] != self.tile:
                around = [(part.start, side - part.stop) for part, side in zip(shown, self.tile, strict=True)]
                tile = np.pad(tile, [*around, (0, 0)], mode="edge")
            yield tile

    def join(self, tiles: np.ndarray) -> np.ndarray:
        """The picture or map, [height, width, ...], that these tiles of it, [tiles, h, w, ...], show."""
        picture = np.empty((self.height, self.width, *tiles.shape[3:]), tiles.dtype)
        for number, tile in enumerate(tiles):
            inside, shown = self._overlap(number)
            picture[inside] = tile[shown]
        return picture

    def add(self, whole: np.ndarray, number: int, tile_map: np.ndarray) -> None:
        """Add the weighted map of one tile, float32 [h, w], to the picture's map `whole`, in place.

        That is float32 [height, width], zeros before the first tile, and complete with the last.
        """
        top, left = self.corners[number]
        weights = self._down[top][:, None] * self._across[left]
        inside, shown = self._overlap(number)
        whole[inside] += (weights * tile_map)[shown]

    def _overlap(self, number: int) -> tuple[Region, Region]:
        """Where a tile lies in the picture, and which part of the tile that is."""
        top, left = self.corners[number]
        down, across = _common(top, self.tile[0], self.height), _common(left, self.tile[1], self.width)
        return (down[0], across[0]), (down[1], across[1])


def _common(start: int, tile: int, side: int) -> tuple[slice, slice]:
    """What a tile and a side have in common, as a part of the side and of the tile."""
    first, end = max(start, 0), min(start + tile, side)
    return slice(first, end), slice(first - start, end - start)


def _weights(starts: list[int], side: int, tile: int) -> np.ndarray:
    """What each tile counts at each of its pixels along one side, float32 [tiles, S], one in all."""
    if side < tile:
        return np.ones((1, tile), np.float32)
    window = np.sin(np.pi * (np.arange(tile) + 0.5) / tile) ** 2
    total = np.zeros(side)
    for start in starts:
        total[start : start + tile] += window
    return np.array([window / total[start : start + tile] for start in starts], np.float32)
