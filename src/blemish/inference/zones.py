"""Zones of a picture on the cells of a model's map."""

import numpy as np
from PIL import Image, ImageDraw

from blemish.errors import ConfigError
from blemish.images.frame import Frame, visible_box
from blemish.images.reading import read_mask
from blemish.inference.rules import Rules, Zone


def zone_numbers(
    rules: Rules, name: str, shape: tuple[int, int], frame: Frame
) -> tuple[np.ndarray, np.ndarray]:
    """Which zone the centre of each cell lies in.

    Args:
        rules: with a picture.
        name: of their file, for messages.
        shape: height and width of the map in cells.
        frame: of the model.

    Returns:
        int [h, w], 0 outside all zones and 1.. for them in order, the last one where they overlap; and the
        width and height of a cell in pixels of the rules' picture, float64 [2].

    Raises:
        ConfigError: a zone holds no centre, or a mask has another size than the picture.
        ImageError: a mask cannot be read.
    """
    assert rules.picture is not None
    left, top, right, bottom = visible_box(*rules.picture, frame)[0]
    step = np.array([right - left, bottom - top]) / shape[::-1]
    rows = (top + (np.arange(shape[0]) + 0.5) * step[1]).astype(int)
    columns = (left + (np.arange(shape[1]) + 0.5) * step[0]).astype(int)
    zones = np.zeros(shape, int)
    for number, zone in enumerate(rules.zones, start=1):
        inside = _drawn(zone, rules)[np.ix_(rows, columns)]
        if not inside.any():
            raise ConfigError(
                f'Zone "{zone.name}" ({name}) holds no cell of the map that the model makes, '
                f"{step[0]:.0f} x {step[1]:.0f} pixels each; draw it larger, or leave it out."
            )
        zones[inside] = number
    return zones, step


def _drawn(zone: Zone, rules: Rules) -> np.ndarray:
    """Where a zone is in the rules' picture, bool [height, width]."""
    assert rules.picture is not None
    if zone.mask is None:
        image = Image.new("L", rules.picture)
        ImageDraw.Draw(image).polygon([*(zone.polygon or ())], fill=1)
        return np.asarray(image) > 0
    file = rules.folder / zone.mask
    mask = read_mask(file)
    if mask.shape != rules.picture[::-1]:
        raise ConfigError(
            f"{file} is {mask.shape[1]} x {mask.shape[0]} pixels, and the rules' picture "
            f"{rules.picture[0]} x {rules.picture[1]}; give a mask of that size."
        )
    return mask
