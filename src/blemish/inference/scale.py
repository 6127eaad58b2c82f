"""How long a pixel is, from a text."""

import math
import re

from blemish.errors import ConfigError

MILLIMETRES = {"um": 0.001, "mm": 1.0, "cm": 10.0, "in": 25.4}
NUMBER = r"\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*"
SCALE = re.compile(rf"(?:{NUMBER},{NUMBER}:{NUMBER},{NUMBER}=)?{NUMBER}({'|'.join(MILLIMETRES)})\s*")


def parse_scale(text: str) -> float:
    """Millimetres per pixel of the upright original.

    Args:
        text: the length of a pixel, such as "0.05mm", or two points and their distance, such as
            "120,40:820,40=35mm". Units are um, mm, cm and in.

    Raises:
        ConfigError: it is no such text, the length is not above 0, or the two points are one.
    """
    found = SCALE.fullmatch(text)
    try:
        *places, length = [float(value) for value in found.groups()[:5] if value is not None] if found else []
    except ValueError:  # nothing found, or a number such as 1..2
        raise ConfigError(
            f"--scale {text} is no length of a pixel; give a number in um, mm, cm or in, such as 0.05mm, or "
            "two points and their distance, such as 120,40:820,40=35mm."
        ) from None
    pixels = math.dist(places[:2], places[2:]) if places else 1.0
    if not pixels:
        raise ConfigError(f"--scale {text} names one point twice; give two points that differ.")
    assert found is not None
    scale = length * MILLIMETRES[found[6]] / pixels
    if not 0 < scale < math.inf:
        raise ConfigError(f"--scale {text} gives a pixel of {scale:g} mm; give a length above 0.")
    return scale
