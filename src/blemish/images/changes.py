"""Differences of light and place that are no defects: pictures in other light, or moved a little.

NumPy and Pillow alone.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

import numpy as np
from PIL import Image

Change = Callable[[np.ndarray], np.ndarray]  # uint8 [H, W, 3] to the same
Tolerated = Literal["light", "place", "turn"]

BRIGHTNESS = 0.25  # largest difference from 1 of the factor
SHIFT = 0.05  # largest share of a side
TURN = 5.0  # largest angle in degrees
TURNED = 8  # how many directions stand for all, as in AnomalyDINO (arXiv 2405.14529)

DESCRIPTIONS: dict[Tolerated, str] = {
    "light": f"brightness times {1 - BRIGHTNESS} to {1 + BRIGHTNESS}",
    "place": f"shifts up to {100 * SHIFT:g} % of a side and turns up to {TURN:g} degrees",
    "turn": "any direction",
}


def describe(tolerated: Iterable[Tolerated]) -> str:
    """What is tolerated, as a part of a sentence."""
    return ", ".join(DESCRIPTIONS[word] for word in tolerated)


def brighten(picture: np.ndarray, factor: float) -> np.ndarray:
    """Multiply a picture's values and clip them; uint8 [H, W, 3] both."""
    return (picture * np.float32(factor)).round().clip(0, 255).astype(np.uint8)


def move(picture: np.ndarray, down: float, right: float, degrees: float = 0.0) -> np.ndarray:
    """Shift a picture and then turn it about its centre, mirrored at its border where nothing was seen.

    Args:
        picture: uint8 [H, W, 3].
        down, right: shares of its height and width, in [-0.25, 0.25].
        degrees: counter-clockwise.

    Returns:
        uint8 [H, W, 3]; bilinear where it turns.
    """
    height, width, _ = picture.shape
    margin = max(height, width) // 2
    rows, columns = (round(share * side) for share, side in ((down, height), (right, width)))
    sides = ((margin + rows, margin - rows), (margin + columns, margin - columns), (0, 0))
    wide = np.pad(picture, sides, mode="reflect")
    if degrees:
        wide = np.asarray(Image.fromarray(wide).rotate(degrees, Image.Resampling.BILINEAR))
    return np.ascontiguousarray(wide[margin : margin + height, margin : margin + width])


def learned_changes(tolerated: Iterable[Tolerated]) -> list[Change]:
    """The changes whose outcome is learned from beside each good image: the ends of what is tolerated."""
    changes: list[Change] = []
    if "light" in tolerated:
        changes += [partial(brighten, factor=1 + side * BRIGHTNESS) for side in (-1, 1)]
    if "place" in tolerated:
        changes += [
            partial(move, down=down * SHIFT, right=right * SHIFT, degrees=down * right * TURN)
            for down in (-1, 1)
            for right in (-1, 1)
        ]
    if "turn" in tolerated:
        changes += [
            partial(move, down=0, right=0, degrees=360 * number / TURNED) for number in range(1, TURNED)
        ]
    return changes


def draw(picture: np.ndarray, tolerated: Iterable[Tolerated], rng: np.random.Generator) -> np.ndarray:
    """A picture, uint8 [H, W, 3], changed at random, evenly within what is tolerated."""
    if "turn" in tolerated:
        picture = move(picture, 0, 0, rng.uniform(0, 360))
    if "place" in tolerated:
        down, right = rng.uniform(-SHIFT, SHIFT, 2)
        picture = move(picture, down, right, rng.uniform(-TURN, TURN))
    if "light" in tolerated:
        picture = brighten(picture, rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS))
    return picture
