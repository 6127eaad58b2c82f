"""Where tiles lie, and how their maps are blended."""

import numpy as np
import pytest

from blemish.images.tiling import Grid, tile_starts
from tests.images.support import picture

RNG = np.random.default_rng(0)


def blend(grid: Grid, maps: np.ndarray) -> np.ndarray:
    whole = np.zeros((grid.height, grid.width), np.float32)
    for number, tile_map in enumerate(maps):
        grid.add(whole, number, tile_map.astype(np.float32))
    return whole


@pytest.mark.parametrize("tile", [32, 33, 50])
@pytest.mark.parametrize("overlap", [0, 0.1, 0.25, 0.3, 0.5, 0.75])
def test_as_few_tiles_as_cover_a_side_lie_evenly_along_it(tile: int, overlap: float) -> None:
    for side in range(tile, 5 * tile):
        starts = tile_starts(side, tile, overlap)
        assert starts[0] == 0 and starts[-1] == side - tile
        gaps = np.diff(starts)
        assert (gaps > 0).all() and (gaps <= tile - overlap * tile).all()
        assert gaps.size == 0 or gaps.max() - gaps.min() <= 1
        step = tile - int(np.ceil(overlap * tile))
        fewer = len(starts) - 1
        assert fewer == 0 or (fewer - 1) * step + tile < side, "fewer would do"


@pytest.mark.parametrize("overlap", [0, 0.25, 0.75])
def test_tiles_are_cut_where_they_lie_and_join_to_the_picture(overlap: float) -> None:
    whole, grid = picture(0, 50, 77), Grid(50, 77, (20, 20), overlap)
    assert len(grid) == len(tile_starts(50, 20, overlap)) * len(tile_starts(77, 20, overlap))
    tiles = list(grid.cut(whole))
    for (top, left), tile in zip(grid.corners, tiles, strict=True):
        np.testing.assert_array_equal(tile, whole[top : top + 20, left : left + 20])
    np.testing.assert_array_equal(grid.join(np.stack(tiles)), whole)


@pytest.mark.parametrize(
    ("height", "width", "above", "before"), [(64, 30, 0, 17), (31, 64, 16, 0), (64, 64, 0, 0)]
)
def test_a_picture_that_does_not_fill_its_tile_lies_in_the_middle_and_its_border_is_repeated(
    height: int, width: int, above: int, before: int
) -> None:
    whole, grid = picture(0, height, width), Grid(height, width, (64, 64), 0.25)
    (tile,) = grid.cut(whole)
    around = [(above, 64 - height - above), (before, 64 - width - before), (0, 0)]
    np.testing.assert_array_equal(tile, np.pad(whole, around, mode="edge"))
    np.testing.assert_array_equal(grid.join(tile[None]), whole)
    tile_map = RNG.random((64, 64), np.float32)
    inside = tile_map[above : above + height, before : before + width]
    np.testing.assert_array_equal(blend(grid, tile_map[None]), inside)


@pytest.mark.parametrize("overlap", [0, 0.25, 0.6, 0.75])
@pytest.mark.parametrize("size", [(64, 64), (65, 64), (100, 333), (224, 160), (97, 128)])
def test_constant_maps_give_the_constant(size: tuple[int, int], overlap: float) -> None:
    grid = Grid(*size, (64, 64), overlap)
    np.testing.assert_allclose(blend(grid, np.full((len(grid), 64, 64), 3.7)), 3.7, rtol=1e-6)


def test_a_blend_is_the_weighted_mean_of_the_tiles() -> None:
    grid = Grid(100, 150, (48, 48), 0.5)
    maps = RNG.random((len(grid), 48, 48))
    window = np.sin(np.pi * (np.arange(48) + 0.5) / 48) ** 2
    total, weights = np.zeros((100, 150)), np.zeros((100, 150))
    for (top, left), tile_map in zip(grid.corners, maps, strict=True):
        total[top : top + 48, left : left + 48] += np.outer(window, window) * tile_map
        weights[top : top + 48, left : left + 48] += np.outer(window, window)
    np.testing.assert_allclose(blend(grid, maps), total / weights, rtol=1e-5)


def test_tiles_that_disagree_leave_no_seam() -> None:
    grid = Grid(64, 200, (64, 64), 0.25)
    levels = np.arange(len(grid), dtype=float) % 2
    whole = blend(grid, np.repeat(levels, 64 * 64).reshape(-1, 64, 64))
    assert np.ptp(whole) == pytest.approx(1, abs=1e-3)
    overlap = 64 - max(np.diff([left for _, left in grid.corners]))
    assert np.abs(np.diff(whole, axis=1)).max() < 4 / overlap, "the level changes over the whole overlap"
    assert np.abs(np.diff(whole, n=2, axis=1)).max() < 30 / overlap**2, "without a kink"
