"""From decoded images to scores and anomaly maps, for whoever needs them."""

from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any

import numpy as np

from blemish.images.frame import Frame
from blemish.images.tiling import Grid
from blemish.inference.engines.base import Engine
from blemish.inference.held_out_maps import reduced

BATCH_SIZE = 16  # images, or tiles, in an engine at once where nothing else is said


def score_images(
    engine: Engine, frame: Frame, images: list[np.ndarray], batch_size: int
) -> list[tuple[float, np.ndarray]]:
    """Run decoded images through an engine.

    With tiles in the frame an image's score is the largest of its tiles', and its map is blended from theirs
    (`blemish.images.tiling.Grid`). Tiles are cut, and squares filled up, as the engine takes them.

    Args:
        engine: runs the model's graph.
        frame: how the images were framed.
        images: uint8 [H, W, 3] RGB each, as `blemish.images.reading.load_frame` gives them.
        batch_size: images, or tiles, in the engine at once.

    Returns:
        A score and an anomaly map, float32 [H, W], for each image, in order. Another batch size may change
        their last digits.
    """
    if frame.keeps_proportions:
        return _score_tiles(engine, frame, images, batch_size)
    scored: list[tuple[float, np.ndarray]] = []
    for start in range(0, len(images), batch_size):
        scores, maps = engine(np.stack(images[start : start + batch_size]))
        scored.extend(zip(map(float, scores), maps, strict=True))
    return scored


def explain_images(
    engine: Engine, frame: Frame, images: list[np.ndarray], scored: list[tuple[float, np.ndarray]]
) -> list[tuple[Any, ...]]:
    """What `score_images` gave, and for each image a reconstruction, uint8 [H, W, 3], and a Grad-CAM map,
    float32 [H, W]; these are left out with tiles, and where the engine gives none."""
    if frame.tile:
        return list(scored)
    grids = [Grid.of(image.shape[0], image.shape[1], frame) for image in images]
    seen = [next(grid.cut(image)) for grid, image in zip(grids, images, strict=True)]
    explained = engine.explain(np.stack(seen))
    if explained is None:
        return list(scored)
    return [
        (*score_and_map, grid.join(picture[None]), grid.join(attention[None]))
        for score_and_map, grid, picture, attention in zip(scored, grids, *explained, strict=True)
    ]


def calibrate(
    engine: Engine,
    frame: Frame,
    pictures: Iterable[np.ndarray],
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Score good images that the model did not learn from: what `Calibration`, heat maps and regions go by.

    Args:
        engine: runs the model's graph.
        frame: how the images were framed.
        pictures: uint8 [H, W, 3] RGB each.
        advance: called with the number of images after each batch.

    Returns:
        The score of each image, float64 [K], and each map, `blemish.inference.held_out_maps.reduced`.
    """
    scores: list[float] = []
    maps: list[np.ndarray] = []
    rest = iter(pictures)
    while batch := list(islice(rest, 1 if frame.tile else BATCH_SIZE)):  # a tiled picture may be large
        for score, anomaly_map in score_images(engine, frame, batch, BATCH_SIZE):
            scores.append(score)
            maps.append(reduced(anomaly_map))
        advance(len(batch))
    return np.array(scores), maps


def _score_tiles(
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
