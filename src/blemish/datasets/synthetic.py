"""Synthetic defects drawn onto good images, no user's own: they show whether a method responds."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from PIL import Image

from blemish.datasets.shapes import bent_line, blend, blob, coverage, spot_on
from blemish.errors import ConfigError

Kind = Literal["patch", "blob", "scratch"]
Strength = Literal["faint", "medium", "strong"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STRENGTHS: tuple[Strength, ...] = get_args(Strength)

_OPACITY = {"faint": 0.25, "medium": 0.55, "strong": 1.0}


def draw_defect(
    image: np.ndarray, kind: Kind, strength: Strength, *, seed: Sequence[int] = (0,), other: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one defect into the middle of an image, where every usual frame shows it.

    "patch" pastes a rectangle of `other`, in the manner of Li et al., "CutPaste: Self-Supervised Learning for
    Anomaly Detection and Localization", CVPR 2021 (section 2.1); "blob" gives a spot with a smooth irregular
    outline the texture of `other` and another brightness; "scratch" is a thin bent line of another
    brightness. The strength is the opacity. With the same seed a defect keeps its place and shape at every
    strength, and the same arguments give the same bytes.

    Args:
        image: uint8 [H, W, 3], at least 32 pixels on a side.
        kind: of the defect.
        strength: how clearly it shows.
        seed: of everything random.
        other: uint8 [H', W', 3], another good image to take pixels from, or the same one.

    Returns:
        The image with the defect, uint8 [H, W, 3], and its mask, uint8 [H, W], 255 where pixels were drawn
        over. Outside the mask the image is unchanged.

    Raises:
        ConfigError: no such kind or strength.
    """
    if kind not in KINDS or strength not in STRENGTHS:
        raise ConfigError(
            f"There is no synthetic defect {kind!r}, {strength!r}; "
            f"choose from {', '.join(KINDS)} and {', '.join(STRENGTHS)}."
        )
    rng = np.random.default_rng([*seed, KINDS.index(kind)])
    height, width = image.shape[:2]
    size = min(height, width)
    top, left = (height - size) // 2, (width - size) // 2
    square = np.s_[top : top + size, left : left + size]
    donor = np.asarray(Image.fromarray(other).resize((size, size), Image.Resampling.BILINEAR), np.float64)
    cover, colour = _DRAW[kind](rng, image[square].astype(np.float64), donor)
    touched = cover > 0.1
    drawn, mask = image.copy(), np.zeros((height, width), np.uint8)
    mask[square] = touched * np.uint8(255)
    picture = blend(image[square], colour, _OPACITY[strength] * cover * touched)
    drawn[square] = np.rint(picture).clip(0, 255).astype(np.uint8)
    return drawn, mask


def _patch(rng: np.random.Generator, image: np.ndarray, donor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = len(image)
    area, aspect = rng.uniform(0.01, 0.04), np.exp(rng.uniform(-1, 1))
    tall, wide = (int(np.sqrt(share) * size) for share in (area * aspect, area / aspect))
    top, left = spot_on(rng, _middle(size)) - (tall // 2, wide // 2)
    from_top, from_left = rng.integers(0, size - tall), rng.integers(0, size - wide)
    cover = np.zeros((size, size))
    cover[max(0, top) : top + tall, max(0, left) : left + wide] = 1
    return cover, np.roll(donor, (top - from_top, left - from_left), axis=(0, 1))


def _blob(rng: np.random.Generator, image: np.ndarray, donor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = len(image)
    distance = blob(rng, size, spot_on(rng, _middle(size)), rng.uniform(0.05, 0.1) * size, 0.2)
    texture = np.roll(donor, rng.integers(0, size, 2), axis=(0, 1))
    return coverage(distance / 2), texture + _contrast(rng, image, 25, 60)


def _scratch(rng: np.random.Generator, image: np.ndarray, donor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    away = bent_line(rng, _middle(len(image)))
    half = max(0.6, rng.uniform(0.003, 0.007) * len(image))
    return (1.5 - away / half).clip(0, 1), image + _contrast(rng, image, 60, 110)


def _middle(size: int) -> np.ndarray:
    """1 in the middle 60 % of the square, 0 around."""
    return np.pad(np.ones((size - 2 * (size // 5),) * 2), size // 5)


def _contrast(rng: np.random.Generator, image: np.ndarray, least: float, most: float) -> float:
    """Brighter on dark images, darker on bright ones."""
    return rng.uniform(least, most) * (1 if image.mean() < 128 else -1)


_DRAW = {"patch": _patch, "blob": _blob, "scratch": _scratch}
