"""Drawn pictures of parts with masked defects, to try everything on without any data at hand."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from PIL import Image

from blemish.datasets.sample import GOOD
from blemish.datasets.shapes import bent_line, blend, blob, coverage, noise, relief, spot_on
from blemish.errors import ConfigError, DatasetError, choice
from blemish.files import writing

Texture = Literal["metal", "fabric", "ceramic"]
Defect = Literal["scratch", "stain", "hole", "missing"]
DEFECTS: tuple[Defect, ...] = get_args(Defect)


class Part(NamedTuple):
    """A part before it is photographed: float arrays, 0 is black and 1 is white."""

    surface: np.ndarray  # [S, S, 3], what the part looks like
    behind: np.ndarray  # [S, S, 3], what is seen where there is no part
    inside: np.ndarray  # [S, S], 1 on the part, 0 beside it


def generate(
    folder: str | PathLike[str],
    *,
    texture: Texture = "metal",
    train: int = 60,
    test: int = 10,
    seed: int = 0,
    size: int = 256,
) -> Path:
    """Write a data set in the MVTec layout and return its folder.

    `train/good` gets `train` images; `test/good` and each of `test/scratch`, `stain`, `hole` and `missing`
    get `test`, the defective ones with masks under `ground_truth`. Good parts vary in pose, lighting and
    grain. The same arguments write the same bytes.

    Raises:
        ConfigError: an unknown texture, or images smaller than 64 pixels.
        DatasetError: the folder is not empty.
    """
    root = Path(folder)
    if texture not in TEXTURES:
        raise ConfigError(f"{texture!r} is not a texture; {choice(texture, TEXTURES)}")
    if size < 64:
        raise ConfigError(f"A size of {size} is too small to draw a part; give at least 64.")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise DatasetError(f"{root} is not empty; give a new folder to write the images to.")
    plan = [("train", GOOD, train), ("test", GOOD, test), *(("test", defect, test) for defect in DEFECTS)]
    for number, (split, kind, count) in enumerate(plan):
        images = root / split / kind
        masks = root / "ground_truth" / kind
        images.mkdir(parents=True)
        if kind != GOOD:
            masks.mkdir(parents=True)
        for index in range(count):
            image, mask = draw_part(texture, kind, seed=(seed, number, index), size=size)
            with writing(root):
                Image.fromarray(image).save(images / f"{index:03}.png")
                if kind != GOOD:
                    Image.fromarray(mask.astype(np.uint8) * 255).save(masks / f"{index:03}_mask.png")
    return root


def draw_part(
    texture: Texture, kind: str = GOOD, *, seed: Sequence[int] = (0,), size: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one part: the image, uint8 [S, S, 3], and its mask, bool [S, S], empty when `kind` is "good".

    With the same seed a defective part equals the good one everywhere outside its mask.
    """
    rng = np.random.default_rng([*seed, 0])
    part = TEXTURES[texture](rng, size)
    picture = blend(part.behind, part.surface, part.inside)
    mask = np.zeros((size, size), bool)
    if kind != GOOD:
        opacity, colour = FLAWS[kind](np.random.default_rng([*seed, 1]), part, picture)
        mask = opacity > 0.1
        picture = blend(picture, colour, opacity * mask)
    return _photograph(rng, picture), mask


def _photograph(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Uneven light and sensor noise, then 8 bits."""
    size = len(picture)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    direction = rng.uniform(0, 2 * np.pi)
    light = rng.uniform(0.94, 1.06) + 0.05 * (x * np.cos(direction) + y * np.sin(direction))
    noisy = picture * light[..., None] + rng.normal(0, 0.008, picture.shape)
    return (noisy.clip(0, 1) * 255).round().astype(np.uint8)


def _pose(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates about the centre of a slightly shifted and turned part, 1 is half the image."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    shift_x, shift_y = rng.uniform(-0.03, 0.03, 2)
    turn = np.deg2rad(rng.uniform(-6, 6))
    x, y = x - shift_x, y - shift_y
    return x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)


def _bench(rng: np.random.Generator, size: int, colour: Sequence[float], distance: np.ndarray) -> np.ndarray:
    """The bench a part lies on, with the part's soft shadow to the lower right."""
    grain = 1 + 0.05 * noise(rng, size, 12, 12) + 0.06 * noise(rng, size, size // 2, size // 2)
    offset = size // 40
    shadow = (0.5 - np.roll(distance, (offset, offset), (0, 1)) / (size / 16)).clip(0, 1)
    return np.array(colour) * (grain * (1 - 0.6 * shadow))[..., None]


def _metal(rng: np.random.Generator, size: int) -> Part:
    """A turned flange: concentric tool marks, a bore, six bolt holes."""
    half = size / 2
    x, y = _pose(rng, size)
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    holes = [radius - 0.2]
    for turn in np.arange(6) * np.pi / 3:
        holes.append(np.hypot(x - 0.56 * np.cos(turn), y - 0.56 * np.sin(turn)) - 0.085)
    distance = np.maximum(radius - 0.84, -np.min(holes, axis=0)) * half
    marks = np.interp(radius, np.linspace(0, 1.5, 300), rng.normal(0, 1, 300))
    fan = np.cos(2 * (angle - rng.uniform(0.6, 0.9)))
    grey = 0.55 + 0.035 * marks + 0.1 * fan + 0.02 * noise(rng, size, size // 2, size // 2)
    step = ((0.38 - radius) * half / 3).clip(0, 1)
    bevel = (-distance / (size / 50)).clip(0, 1)
    grey = grey + 0.5 * relief(step) + 0.9 * relief(bevel)
    surface = np.array([0.97, 1.0, 1.04]) * grey[..., None]
    return Part(surface, _bench(rng, size, (0.16, 0.17, 0.18), distance), coverage(distance))


def _fabric(rng: np.random.Generator, size: int) -> Part:
    """Denim: a twill of blue warp and pale weft threads, over a dark lining."""
    threads = 26
    x, y = _pose(rng, size)
    drift = 0.12 * noise(rng, size, 5, 5)
    across, along = (x + 2) * threads / 2 + drift, (y + 2) * threads / 2 - drift
    warp, weft = np.floor(across).astype(int), np.floor(along).astype(int)
    warp_shape, weft_shape = np.sin(np.pi * (across - warp)), np.sin(np.pi * (along - weft))
    warp_tone = 1 + 0.08 * rng.normal(0, 1, 3 * threads)[warp] + 0.1 * noise(rng, size, size // 6, size // 2)
    weft_tone = 1 + 0.08 * rng.normal(0, 1, 3 * threads)[weft] + 0.1 * noise(rng, size, size // 2, size // 6)
    blue = np.array([0.2, 0.3, 0.5]) * (warp_tone * (0.45 + 0.75 * warp_shape))[..., None]
    pale = np.array([0.66, 0.68, 0.7]) * (weft_tone * (0.45 + 0.6 * weft_shape))[..., None]
    surface = blend(pale, blue, ((warp - weft) % 3 > 0).astype(float))
    lining = np.array([0.07, 0.07, 0.08]) * (1 + 0.2 * noise(rng, size, size // 3, size // 3))[..., None]
    return Part(surface, lining, np.ones((size, size)))


def _ceramic(rng: np.random.Generator, size: int) -> Part:
    """A glazed tile with rounded corners and speckles in the glaze."""
    half = size / 2
    x, y = _pose(rng, size)
    corner = np.hypot((np.abs(x) - 0.68).clip(0), (np.abs(y) - 0.68).clip(0)) - 0.12
    distance = np.maximum(corner, np.maximum(np.abs(x), np.abs(y)) - 0.8) * half
    surface = np.array([0.84, 0.81, 0.74]) * (1 + 0.02 * noise(rng, size, 6, 6))[..., None]
    rows, columns = np.mgrid[:size, :size]
    for row, column, scale, dark in rng.uniform((0, 0, 0, 0.2), (size, size, 1, 0.8), (400, 4)):
        radius = (0.004 + 0.016 * scale**4) * half
        top, left = int(max(row - radius - 1, 0)), int(max(column - radius - 1, 0))
        spot = np.s_[top : int(row + radius + 2), left : int(column + radius + 2)]
        away = np.hypot(rows[spot] - row, columns[spot] - column)
        surface[spot] = blend(surface[spot], np.array([0.36, 0.25, 0.17]), dark * coverage(away - radius))
    gloss = np.exp(-((x + 0.35) ** 2 + (y + 0.4) ** 2) / 0.25) * rng.uniform(0.06, 0.12)
    bevel = np.sqrt((-distance / (size / 24)).clip(0, 1))
    surface = surface + (gloss + 0.6 * relief(bevel))[..., None]
    return Part(surface, _bench(rng, size, (0.2, 0.24, 0.28), distance), coverage(distance))


def _scratch(rng: np.random.Generator, part: Part, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = len(picture)
    away = bent_line(rng, part.inside)
    width = rng.uniform(0.0045, 0.009) * size
    groove = (1.3 - away / width).clip(0, 1) * part.inside
    tone = 0.16 if picture[part.inside == 1].mean() < 0.65 else -0.28
    colour = picture + (tone - 0.35 * relief(groove))[..., None]
    return groove * (0.8 + 0.1 * noise(rng, size, 10, 10)).clip(0, 1), colour


def _stain(rng: np.random.Generator, part: Part, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = len(picture)
    distance = blob(rng, size, spot_on(rng, part.inside), rng.uniform(0.05, 0.11) * size, 0.12)
    spread = (0.5 - distance / (size / 50)).clip(0, 1)
    rim = np.exp(-((distance / (size / 60) + 1.5) ** 2))
    tint = np.array([(0.55, 0.4, 0.22), (0.32, 0.3, 0.28), (0.5, 0.36, 0.32)][rng.integers(3)])
    return spread * (0.5 + 0.3 * rim) * part.inside, picture * tint + 0.02


def _hole(rng: np.random.Generator, part: Part, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = len(picture)
    distance = blob(rng, size, spot_on(rng, part.inside), rng.uniform(0.025, 0.05) * size, 0.18)
    depth = (-distance / (size / 80)).clip(0, 1)
    edge = picture * 0.7 - 0.5 * relief(depth)[..., None]
    return coverage(distance - size / 120) * part.inside, blend(edge, part.behind * 0.4, depth)


def _missing(rng: np.random.Generator, part: Part, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A piece broken off the outline; of a fabric, which has none, a thread pulled out."""
    size = len(picture)
    rows, columns = np.mgrid[:size, :size]
    if part.inside.all():
        row, column = spot_on(rng, part.inside)
        if rng.random() < 0.5:
            rows, columns = columns, rows
        wave = row + size / 150 * np.sin(columns / size * 9) - rows
        beyond = np.abs(columns - column) - rng.uniform(0.12, 0.3) * size
        distance = np.maximum(np.abs(wave) - size / 52, beyond) + 0.6 * noise(rng, size, size // 4, size // 4)
    else:
        outline = (part.inside < 1) & (np.hypot(rows - size / 2, columns - size / 2) > 0.36 * size)
        places = np.argwhere(outline & (part.inside > 0))
        distance = blob(rng, size, rng.choice(places), rng.uniform(0.07, 0.13) * size, 0.1)
    fracture = (distance / (size / 40) + 1).clip(0, 1)
    colour = blend(part.behind, picture * 0.75, 0.7 * fracture**2)
    return coverage(distance) * part.inside, colour


TEXTURES = {"metal": _metal, "fabric": _fabric, "ceramic": _ceramic}
FLAWS = {"scratch": _scratch, "stain": _stain, "hole": _hole, "missing": _missing}
