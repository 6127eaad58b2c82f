"""Defects on the rim of pictures of all shapes are found where they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import blemish
from tests.support import BACKBONE

DEPTH, REACH = 14, 28  # pixels from the edge inwards: of the defect, and of where it may be hottest


def at(edge: str, depth: int) -> tuple[slice, slice]:
    """Rows and columns along an edge."""
    rim = slice(0, depth) if edge in ("top", "left") else slice(-depth, None)
    return (rim, slice(None)) if edge in ("top", "bottom") else (slice(None), rim)


def good(seed: int, height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(120, 6, (height, width, 1))
    return np.clip(noise, 0, 255).astype(np.uint8).repeat(3, axis=2)


@pytest.mark.parametrize("method", ["rad", "patchcore", "padim", "spade"])
@pytest.mark.parametrize(("height", "width"), [(128, 128), (64, 192), (192, 64)])
def test_defects_on_all_edges_are_found(method: str, height: int, width: int, tmp_path: Path) -> None:
    for seed in range(12):
        Image.fromarray(good(seed, height, width)).save(tmp_path / f"{seed}.png")
    whole = ["frame.resize=112", "frame.crop=none"]
    detector = blemish.fit(
        tmp_path,
        method=method,
        backbone=BACKBONE,
        weights="random",
        assignments=whole,
    )
    shown_height, shown_width = detector.frame.shape
    assert (shown_height > shown_width, shown_height < shown_width) == (height > width, height < width)
    clean = detector.predict(good(99, height, width)).anomaly_map
    for edge in ("top", "bottom", "left", "right"):
        picture, near = good(99, height, width), np.zeros((height, width), np.uint8)
        picture[at(edge, DEPTH)], near[at(edge, REACH)] = (230, 20, 20), 1
        anomaly_map = detector.predict(picture).anomaly_map
        there = np.asarray(
            Image.fromarray(near).resize((shown_width, shown_height), Image.Resampling.NEAREST)
        )
        assert anomaly_map.max() > 2 * clean.max()
        assert there[np.unravel_index(anomaly_map.argmax(), there.shape)], edge
