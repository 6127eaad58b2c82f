"""Synthetic defects drawn onto good images. They are no user's defects: they show whether a method
responds."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from PIL import Image

from blemish.errors import ConfigError

Kind = Literal["patch", "blob", "scratch"]
Strength = Literal["faint", "medium", "strong"]
KINDS: tuple[Kind, ...] = get_args(Kind)
STRENGTHS: tuple[Strength, ...] = get_args(Strength)

_OPACITY = {"faint": 0.25, "medium": 0.55, "strong": 1.0}


def draw_defect(
    image: np.ndarray, kind: Kind, strength: Strength, *, seed: Sequence[int] = (0,), other: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one defect into the middle 70 % of an image, where every usual frame shows it.

    "patch" pastes a rectangle of `other`, in the manner of Li et al., "CutPaste: Self-Supervised Learning for
    Anomaly Detection and Localization", CVPR 2021 (section 2.1); "blob" gives a spot with a smooth irregular
    outline the texture of `other` and another brightness; "scratch" is a thin bent line, brighter or darker.
    The strength is the opacity. With the same seed a defect keeps its place and shape at every strength, and
    the same arguments give the same bytes.

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
    donor = np.asarray(Image.fromarray(other).resize(image.shape[1::-1], Image.Resampling.BILINEAR))
    cover, colour = {"patch": _patch, "blob": _blob, "scratch": _scratch}[kind](
        rng, image.astype(np.float64), donor.astype(np.float64)
    )
    opacity = (_OPACITY[strength] * cover)[..., None]
    mask = cover > 0.1
    drawn = np.rint(image + opacity * (colour - image)).clip(0, 255).astype(np.uint8)
    return np.where(mask[..., None], drawn, image), mask.astype(np.uint8) * 255


def _patch(rng: np.random.Generator, image: np.ndarray, donor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = image.shape[:2]
    area, aspect = rng.uniform(0.01, 0.04) * height * width, np.exp(rng.uniform(-1, 1))
    tall = int(np.clip(round(np.sqrt(area * aspect)), 4, height // 3))
    wide = int(np.clip(round(np.sqrt(area / aspect)), 4, width // 3))
    row, column = _place(rng, height, width)
    top, left = (int(max(0, place - side // 2)) for place, side in ((row, tall), (column, wide)))
    from_top, from_left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    cover, colour = np.zeros((height, width)), image.copy()
    cover[top : top + tall, left : left + wide] = 1
    colour[top : top + tall, left : left + wide] = donor[
        from_top : from_top + tall, from_left : from_left + wide
    ]
    return cover, colour


def _blob(rng: np.random.Generator, image: np.ndarray, donor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = image.shape[:2]
    row, column = _place(rng, height, width)
    radius = rng.uniform(0.05, 0.1) * min(height, width)
    rows, columns = np.ogrid[:height, :width]
    away = np.hypot(rows - row, columns - column) - radius * (
        1 + 0.4 * _noise(rng, height, width, 12).clip(-2, 2)
    )
    cover = (0.5 - away / 2).clip(0, 1)
    texture = np.roll(donor, tuple(rng.integers(0, (height, width))), axis=(0, 1))
    shift = rng.uniform(25, 60) * (1 if image.mean() < 128 else -1)
    return cover, texture + shift


def _scratch(rng: np.random.Generator, image: np.ndarray, donor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = image.shape[:2]
    side = min(height, width)
    steps = np.linspace(-0.5, 0.5, 200) * rng.uniform(0.15, 0.4) * side
    turning = rng.uniform(0, 2 * np.pi) + steps / side * rng.uniform(-3, 3)
    row, column = _place(rng, height, width)
    rows, columns = np.ogrid[:height, :width]
    nearest = np.full((height, width), np.inf)
    for down, right in zip(row + steps * np.sin(turning), column + steps * np.cos(turning), strict=True):
        np.minimum(nearest, (rows - down) ** 2 + (columns - right) ** 2, out=nearest)
    half = max(0.6, rng.uniform(0.003, 0.007) * side)
    cover = (1.5 - np.sqrt(nearest) / half).clip(0, 1)
    shift = rng.uniform(60, 110) * rng.choice([-1, 1])
    here = image[int(row), int(column)].mean()
    return cover, image + (-shift if not 0 <= here + shift <= 255 else shift)


def _place(rng: np.random.Generator, height: int, width: int) -> tuple[float, float]:
    """Row and column in the central square's middle 60 %."""
    reach = 0.3 * min(height, width)
    return height / 2 + rng.uniform(-reach, reach), width / 2 + rng.uniform(-reach, reach)


def _noise(rng: np.random.Generator, height: int, width: int, hills: int) -> np.ndarray:
    """Smooth noise of about unit spread, float64 [H, W]."""
    grid = Image.fromarray(rng.normal(0, 1, (hills, hills)).astype(np.float32))
    return np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC), np.float64)
