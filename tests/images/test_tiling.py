"""Where tiles lie, and what becomes of their scores and maps."""

import numpy as np
import pytest

from blemish.images.frame import Frame
from blemish.images.tiling import Grid, tile_starts
from blemish.inference.scoring import score_images

SIZES = [(64, 64), (65, 64), (100, 333), (224, 160), (97, 128)]
RNG = np.random.default_rng(0)


def blend(grid: Grid, maps: np.ndarray) -> np.ndarray:
    whole = np.zeros((grid.height, grid.width), np.float32)
    for number, tile_map in enumerate(maps):
        grid.add(whole, number, tile_map.astype(np.float32))
    return whole


class Brightness:
    """An engine whose map is a pixel's brightness; its score is not the map's peak."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.batches.append(len(images))
        maps = images.astype(np.float32).mean(axis=3)
        return maps.std(axis=(1, 2)), maps

    def explain(self, images: np.ndarray) -> None:
        return None


class TestPositions:
    @pytest.mark.parametrize("tile", [32, 33, 50])
    @pytest.mark.parametrize("overlap", [0, 0.1, 0.25, 0.3, 0.5, 0.75])
    def test_for_all_sizes(self, tile: int, overlap: float) -> None:
        for side in range(tile, 5 * tile):
            starts = tile_starts(side, tile, overlap)
            assert starts[0] == 0 and starts[-1] == side - tile
            gaps = np.diff(starts)
            assert (gaps > 0).all() and (gaps <= tile - overlap * tile).all()
            assert gaps.size == 0 or gaps.max() - gaps.min() <= 1
            step = tile - int(np.ceil(overlap * tile))
            fewer = len(starts) - 1
            assert fewer == 0 or (fewer - 1) * step + tile < side, "fewer would do"

    def test_a_grid_covers_every_pixel(self) -> None:
        for height, width in SIZES:
            grid = Grid(height, width, 64, 0.25)
            seen = np.zeros((height, width), int)
            for top, left in grid.corners:
                seen[top : top + 64, left : left + 64] += 1
            assert seen.min() >= 1
            assert len(grid) == len(tile_starts(height, 64, 0.25)) * len(tile_starts(width, 64, 0.25))

    def test_tiles_join_to_the_picture(self) -> None:
        picture = np.random.default_rng(0).integers(0, 256, (50, 77, 3), np.uint8)
        for overlap in (0.0, 0.25, 0.75):
            grid = Grid(50, 77, 20, overlap)
            assert np.array_equal(grid.join(np.stack(list(grid.cut(picture)))), picture)

    def test_tiles_are_cut_where_they_lie(self) -> None:
        picture = RNG.integers(0, 256, (100, 130, 3), np.uint8)
        grid = Grid(100, 130, 48, 0.5)
        tiles = list(grid.cut(picture))
        assert len(tiles) == len(grid)
        for (top, left), tile in zip(grid.corners, tiles, strict=True):
            np.testing.assert_array_equal(tile, picture[top : top + 48, left : left + 48])


class TestBlending:
    @pytest.mark.parametrize("overlap", [0, 0.25, 0.6, 0.75])
    @pytest.mark.parametrize("size", SIZES)
    def test_constant_maps_give_the_constant(self, size: tuple[int, int], overlap: float) -> None:
        grid = Grid(*size, 64, overlap)
        np.testing.assert_allclose(blend(grid, np.full((len(grid), 64, 64), 3.7)), 3.7, rtol=1e-6)

    def test_one_tile_stays_as_it_is(self) -> None:
        tile_map = RNG.random((1, 64, 64), np.float32)
        np.testing.assert_array_equal(blend(Grid(64, 64, 64, 0.25), tile_map), tile_map[0])

    def test_it_is_the_weighted_mean_of_the_tiles(self) -> None:
        grid = Grid(100, 150, 48, 0.5)
        maps = RNG.random((len(grid), 48, 48))
        window = np.sin(np.pi * (np.arange(48) + 0.5) / 48) ** 2
        total, weights = np.zeros((100, 150)), np.zeros((100, 150))
        for (top, left), tile_map in zip(grid.corners, maps, strict=True):
            total[top : top + 48, left : left + 48] += np.outer(window, window) * tile_map
            weights[top : top + 48, left : left + 48] += np.outer(window, window)
        np.testing.assert_allclose(blend(grid, maps), total / weights, rtol=1e-5)

    def test_a_smooth_map_is_restored(self) -> None:
        y, x = np.mgrid[:200, :300]
        smooth = np.sin(x / 40) + np.cos(y / 30)
        grid = Grid(200, 300, 64, 0.25)
        maps = np.array([smooth[top : top + 64, left : left + 64] for top, left in grid.corners])
        np.testing.assert_allclose(blend(grid, maps), smooth, atol=1e-5)

    def test_tiles_that_disagree_leave_no_seam(self) -> None:
        grid = Grid(64, 200, 64, 0.25)
        levels = np.arange(len(grid), dtype=float) % 2
        whole = blend(grid, np.repeat(levels, 64 * 64).reshape(-1, 64, 64))
        assert np.ptp(whole) == pytest.approx(1, abs=1e-3)
        overlap = 64 - max(np.diff([left for _, left in grid.corners]))
        assert np.abs(np.diff(whole, axis=1)).max() < 4 / overlap, "the level changes over the whole overlap"
        assert np.abs(np.diff(whole, n=2, axis=1)).max() < 30 / overlap**2, "without a kink"


class TestScores:
    frame = Frame(tile=64)

    def pictures(self) -> list[np.ndarray]:
        return [RNG.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]

    def test_the_score_is_the_largest_of_the_tiles(self) -> None:
        for picture in self.pictures():
            ((score, anomaly_map),) = score_images(Brightness(), self.frame, [picture], 4)
            grid = Grid(*picture.shape[:2], 64, 0.25)
            assert score == max(tile.mean(axis=2, dtype=np.float32).std() for tile in grid.cut(picture))
            np.testing.assert_allclose(anomaly_map, picture.mean(axis=2), rtol=1e-5)

    def test_batches_are_of_tiles_across_images_and_do_not_matter(self) -> None:
        pictures = self.pictures()
        expected = score_images(Brightness(), self.frame, pictures, 1)
        tiles = sum(len(Grid(*size, 64, 0.25)) for size in SIZES)
        for batch_size in (3, 7, 1000):
            engine = Brightness()
            scored = score_images(engine, self.frame, pictures, batch_size)
            assert sum(engine.batches) == tiles and max(engine.batches) == min(batch_size, tiles)
            assert min([*engine.batches[:-1], batch_size]) == batch_size, "only the last one may be smaller"
            for one, other in zip(expected, scored, strict=True):
                assert one[0] == other[0]
                np.testing.assert_array_equal(one[1], other[1])

    def test_a_tile_without_a_score_spoils_the_image(self) -> None:
        def engine(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            scores = np.where(images.max(axis=(1, 2, 3)) == 255, np.nan, 1.0)
            return scores, np.zeros(images.shape[:3], np.float32)

        picture = np.zeros((100, 200, 3), np.uint8)
        picture[10, 20] = 255
        (broken, _), (whole, _) = score_images(engine, self.frame, [picture, picture // 2], 2)  # type: ignore[arg-type]
        assert np.isnan(broken) and whole == 1

    def test_without_tiles_nothing_is_cut(self) -> None:
        pictures = [RNG.integers(0, 256, (48, 48, 3), np.uint8) for _ in range(3)]
        engine = Brightness()
        scored = score_images(engine, Frame(resize=48, crop=None), pictures, 2)
        assert engine.batches == [2, 1]
        assert [score for score, _ in scored] == [float(Brightness()(p[None])[0][0]) for p in pictures]
