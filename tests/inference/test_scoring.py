"""What scoring gives for whole images and for tiles."""

import numpy as np

from blemish.images.frame import Frame
from blemish.images.tiling import Grid
from blemish.inference.scoring import explain_images, score_images

SIZES = [(64, 64), (65, 64), (100, 333), (224, 160), (97, 128)]
RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]
FRAME = Frame(tile=64)


class Brightness:
    """An engine whose map is a pixel's brightness; its score is not the map's peak."""

    name = "brightness"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.batches.append(len(images))
        maps = images.astype(np.float32).mean(axis=3)
        return maps.std(axis=(1, 2)), maps

    def explain(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 255 - images, images.astype(np.float32).mean(axis=3)


def test_the_score_is_the_largest_of_the_tiles_in_whatever_batches_across_images() -> None:
    tiles = sum(len(Grid(*size, (64, 64), 0.25)) for size in SIZES)
    for batch_size in (1, 3, 7, 1000):
        engine = Brightness()
        scored = score_images(engine, FRAME, PICTURES, batch_size)
        assert sum(engine.batches) == tiles and max(engine.batches) == min(batch_size, tiles)
        assert min([*engine.batches[:-1], batch_size]) == batch_size, "only the last one may be smaller"
        for picture, (score, anomaly_map) in zip(PICTURES, scored, strict=True):
            grid = Grid(*picture.shape[:2], (64, 64), 0.25)
            assert score == max(tile.mean(axis=2, dtype=np.float32).std() for tile in grid.cut(picture))
            np.testing.assert_allclose(anomaly_map, picture.mean(axis=2), rtol=1e-5)


def test_a_tile_without_a_score_spoils_the_image() -> None:
    class Blind(Brightness):
        def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.where(images.max(axis=(1, 2, 3)) == 255, np.nan, 1.0), images[..., 0].astype(np.float32)

    picture = np.zeros((100, 200, 3), np.uint8)
    picture[10, 20] = 255
    (broken, _), (whole, _) = score_images(Blind(), FRAME, [picture, picture // 2], 2)
    assert np.isnan(broken) and whole == 1


def test_without_tiles_nothing_is_cut() -> None:
    pictures = [RNG.integers(0, 256, (48, 48, 3), np.uint8) for _ in range(3)]
    engine = Brightness()
    scored = score_images(engine, Frame(resize=48, crop=None), pictures, 2)
    assert engine.batches == [2, 1]
    assert [score for score, _ in scored] == [float(Brightness()(p[None])[0][0]) for p in pictures]


def test_squares_are_filled_up_for_the_engine_and_maps_and_explanations_are_of_the_picture() -> None:
    frame, engine = Frame(resize=64, crop=None, pad=True), Brightness()
    pictures = [RNG.integers(0, 256, (*size, 3), np.uint8) for size in ((64, 20), (33, 64), (64, 64))]
    scored = score_images(engine, frame, pictures, 2)
    assert engine.batches == [2, 1]
    explained = explain_images(engine, frame, pictures, scored)
    for picture, (score, anomaly_map, redrawn, attention) in zip(pictures, explained, strict=True):
        (seen,) = Grid.of(*picture.shape[:2], frame).cut(picture)
        assert seen.shape == (64, 64, 3) and score == float(Brightness()(seen[None])[0][0])
        for of_picture in (anomaly_map, attention):
            np.testing.assert_array_equal(of_picture, picture.astype(np.float32).mean(axis=2))
        np.testing.assert_array_equal(redrawn, 255 - picture)
