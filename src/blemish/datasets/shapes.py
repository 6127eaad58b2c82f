"""What drawn parts and synthetic defects are made of: arrays over a square of S x S pixels."""

import numpy as np
from PIL import Image


def blend(below: np.ndarray, above: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """`above`, [S, S, 3], laid over `below` with an opacity in [0, 1], [S, S]."""
    return below + (above - below) * opacity[..., None]


def noise(rng: np.random.Generator, size: int, rows: int, columns: int) -> np.ndarray:
    """Smooth noise of about unit spread, with so many hills down and across."""
    grid = Image.fromarray(rng.normal(0, 1, (rows, columns)).astype(np.float32))
    return np.asarray(grid.resize((size, size), Image.Resampling.BICUBIC))


def coverage(distance: np.ndarray) -> np.ndarray:
    """How much of each pixel lies inside an outline, from the signed distance in pixels."""
    return (0.5 - distance).clip(0, 1)


def relief(height: np.ndarray) -> np.ndarray:
    """Shading of a height map lit from the upper left: slopes towards the light are bright."""
    slope_y, slope_x = np.gradient(height)
    return slope_x + slope_y


def spot_on(rng: np.random.Generator, inside: np.ndarray) -> np.ndarray:
    """Row and column of a random pixel where `inside` is 1, away from the border."""
    margin = len(inside) // 8
    return rng.choice(np.argwhere(inside[margin:-margin, margin:-margin] == 1)) + margin


def blob(rng: np.random.Generator, size: int, centre: np.ndarray, radius: float, rough: float) -> np.ndarray:
    """Signed distance in pixels to the edge of an irregular spot, negative inside."""
    rows, columns = np.ogrid[:size, :size]
    stretch, turn = rng.uniform(1, 1.5), rng.uniform(0, np.pi)
    down, right = rows - centre[0], columns - centre[1]
    along, aside = down * np.cos(turn) + right * np.sin(turn), right * np.cos(turn) - down * np.sin(turn)
    return np.hypot(along / stretch, aside * stretch) - radius * (1 + rough * noise(rng, size, 24, 24))


def bent_line(rng: np.random.Generator, inside: np.ndarray) -> np.ndarray:
    """Distance in pixels to a bent line through a random pixel where `inside` is 1."""
    size = len(inside)
    steps = np.linspace(-0.5, 0.5, 100) * rng.uniform(0.2, 0.5) * size
    direction = rng.uniform(0, 2 * np.pi) + steps / size * rng.uniform(-2.5, 2.5)
    path = spot_on(rng, inside) + np.stack([steps * np.sin(direction), steps * np.cos(direction)], axis=1)
    rows, columns = np.ogrid[:size, :size]
    nearest = np.full((size, size), np.inf)
    for row, column in path:
        np.minimum(nearest, (rows - row) ** 2 + (columns - column) ** 2, out=nearest)
    return np.sqrt(nearest)
