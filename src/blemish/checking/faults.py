"""What is wrong with a photograph beside the others of its folder, whatever it shows."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from blemish.evaluation.statistics import robust_z
from blemish.images.frame import Shape

FAR = 5.0  # robust standard deviations
BLURRED = 0.5  # at most this share of the usual sharpness
LEVELS = 12.0  # of 255, by which a mean brightness must differ besides
WHITE, CLIPPED = 250, 0.02  # from this grey value on a pixel is clipped; share of them beyond the usual


def look(image: np.ndarray) -> tuple[float, float, float]:
    """Of an image, uint8 [H, W, 3]: variance of its Laplacian by its own, mean grey value, clipped share."""
    grey = image.mean(axis=2, dtype=np.float32)
    middle = grey[1:-1, 1:-1]
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle
    return float(laplacian.var() / (grey.var() + 1)), float(grey.mean()), float((grey >= WHITE).mean())


def faults(looks: Sequence[tuple[float, float, float]], shapes: Sequence[Shape]) -> list[list[str]]:
    """For each image what is far from the others: "blurred", "dark", "bright", "over-exposed", its size.

    Each is judged against the median of the folder by its median absolute deviation, and must differ by
    enough to be seen.

    Args:
        looks: K times what `look` gives.
        shapes: height and width of the K files.
    """
    sharpness, brightness, clipped = np.array(looks).T
    log_sharpness = np.log(sharpness + 1e-6)
    usual = {name: np.median(values) for name, values in [("light", brightness), ("clip", clipped)]}
    blurred = (robust_z(log_sharpness) < -FAR) & (log_sharpness < np.median(log_sharpness) + np.log(BLURRED))
    differs = robust_z(brightness)
    dark = (differs < -FAR) & (brightness < usual["light"] - LEVELS)
    bright = (differs > FAR) & (brightness > usual["light"] + LEVELS)
    over = (robust_z(clipped) > FAR) & (clipped > usual["clip"] + CLIPPED)
    common, count = Counter(shapes).most_common(1)[0]
    found = []
    for index, (height, width) in enumerate(shapes):
        names = {"blurred": blurred, "dark": dark, "bright": bright, "over-exposed": over}
        of_image = [name for name, which in names.items() if which[index]]
        if (height, width) != common and 2 * count > len(shapes):
            of_image.append(f"{width} x {height} pixels")
        found.append(of_image)
    return found
