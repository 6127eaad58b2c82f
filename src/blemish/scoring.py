"""From decoded images to scores and anomaly maps, for whoever needs them."""

from itertools import chain, islice

import numpy as np

from blemish.engines.base import Engine
from blemish.frame import Frame
from blemish.tiling import Grid


def score_images(
    engine: Engine, frame: Frame, images: list[np.ndarray], batch_size: int
) -> list[tuple[float, np.ndarray]]:
    """Run decoded images through an engine.

    With tiles in the frame an image's score is the largest of its tiles', and its map is blended from theirs
    (`blemish.tiling.Grid`). Tiles are cut as the engine takes them.

    Args:
        engine: runs the model's graph.
        frame: how the images were framed.
        images: uint8 [H, W, 3] RGB each, as `blemish.images.load_frame` gives them.
        batch_size: images, or tiles, in the engine at once.

    Returns:
        A score and an anomaly map, float32 [H, W], for each image, in order. Another batch size may change
        their last digits.
    """
    if frame.tile:
        return _score_tiled(engine, frame, images, batch_size)
    scored: list[tuple[float, np.ndarray]] = []
    for start in range(0, len(images), batch_size):
        scores, maps = engine(np.stack(images[start : start + batch_size]))
        scored.extend(zip(map(float, scores), maps, strict=True))
    return scored


def _score_tiled(
    engine: Engine, frame: Frame, images: list[np.ndarray], batch_size: int
) -> list[tuple[float, np.ndarray]]:
    grids = [Grid.of(image.shape[0], image.shape[1], frame) for image in images]
    maps = [np.zeros(image.shape[:2], np.float32) for image in images]
    largest = np.full(len(images), -np.inf)
    places = [(index, number) for index, grid in enumerate(grids) for number in range(len(grid))]
    tiles = chain.from_iterable(grid.cut(image) for grid, image in zip(grids, images, strict=True))
    for start in range(0, len(places), batch_size):
        batch = places[start : start + batch_size]
        scores, tile_maps = engine(np.stack(list(islice(tiles, len(batch)))))
        for (index, number), score, tile_map in zip(batch, scores, tile_maps, strict=True):
            largest[index] = np.maximum(largest[index], score)  # unlike max, it keeps NaN
            grids[index].add(maps[index], number, tile_map)
    return list(zip(map(float, largest), maps, strict=True))
