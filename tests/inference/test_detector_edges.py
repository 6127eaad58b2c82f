"""Defects on the rim of pictures of all shapes are found where they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import blemish
from tests.support import BACKBONE

DEPTH, REACH = 14, 28  # pixels from the edge inwards: of the defect, and of where it may be hottest

OPPOSITE = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}


def at(edge: str, depth: int) -> tuple[slice, slice]:
    """Rows and columns along an edge."""
    rim = slice(0, depth) if edge in ("top", "left") else slice(-depth, None)
    return (rim, slice(None)) if edge in ("top", "bottom") else (slice(None), rim)


def good(seed: int, height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(120, 6, (height, width, 1))
    return np.clip(noise, 0, 255).astype(np.uint8).repeat(3, axis=2)


def good_files(folder: Path, height: int, width: int) -> Path:
    for seed in range(12):
        Image.fromarray(good(seed, height, width)).save(folder / f"{seed}.png")
    return folder


RANDOM = {"backbone": BACKBONE, "weights": "random"}
METHODS = [(method, RANDOM, 2) for method in ("rad", "patchcore", "padim", "spade")]
TRAINED = {"epochs": 10, "assignments": ["training.batch_size=4"]}  # a random teacher has nothing to teach


@pytest.mark.parametrize(
    ("method", "options", "times"),
    [*METHODS, pytest.param("gtrans", TRAINED, 1.5, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(("height", "width"), [(128, 128), (64, 192), (192, 64)])
def test_defects_on_all_edges_are_found(
    method: str, options: dict[str, Any], times: float, height: int, width: int, tmp_path: Path
) -> None:
    """They peak `times` as high as the clean picture."""
    small = ["frame.resize=112", *options.get("assignments", ())]
    files = good_files(tmp_path, height, width)
    detector = blemish.fit(files, method=method, **options | {"assignments": small})
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
        assert anomaly_map.max() > times * clean.max()
        assert there[np.unravel_index(anomaly_map.argmax(), there.shape)], edge


@pytest.mark.slow
@pytest.mark.parametrize(("height", "width"), [(64, 192), (192, 64)])
def test_a_method_of_squares_sees_the_edges_of_oblong_pictures(
    height: int, width: int, tmp_path: Path
) -> None:
    small = ["frame.resize=64", "training.batch_size=4", "model.sigma=1"]
    detector = blemish.fit(
        good_files(tmp_path, height, width), method="ganomaly", epochs=1, assignments=small
    )
    assert detector.frame.pad and detector.frame.shape == (64, 64)
    clean = detector.predict(good(99, height, width))
    assert clean.anomaly_map.shape == (round(height / 3), round(width / 3)) == clean.image.shape[:2]
    for edge in ("top", "bottom", "left", "right"):
        picture = good(99, height, width)
        picture[at(edge, DEPTH)] = (230, 20, 20)
        result = detector.predict(picture)
        change = np.abs(result.anomaly_map - clean.anomaly_map)
        assert result.score != clean.score
        assert change[at(edge, DEPTH // 3)].mean() > 10 * change[at(OPPOSITE[edge], DEPTH // 3)].mean()
