"""Lengths and areas from texts, in pixels and millimetres."""

import math
import re

from blemish.errors import ConfigError

MILLIMETRES = {"um": 0.001, "mm": 1.0, "cm": 10.0, "in": 25.4}
NUMBER = r"\s*([+-]?[\d.]+(?:e[+-]?\d+)?)\s*"
UNIT = rf"({'|'.join(MILLIMETRES)})"
SIZE = re.compile(rf"{NUMBER}{UNIT}(2?)\s*")
SCALE = re.compile(rf"(?:{NUMBER},{NUMBER}:{NUMBER},{NUMBER}=)?{NUMBER}{UNIT}\s*")


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
            f"The scale {text} is no length of a pixel; give a number in um, mm, cm or in, such as 0.05mm, "
            "or two points and their distance, such as 120,40:820,40=35mm."
        ) from None
    pixels = math.dist(places[:2], places[2:]) if places else 1.0
    if not pixels:
        raise ConfigError(f"The scale {text} names one point twice; give two points that differ.")
    assert found is not None
    scale = length * MILLIMETRES[found[6]] / pixels
    if not 0 < scale < math.inf:
        raise ConfigError(f"The scale {text} gives a pixel of {scale:g} mm; give a length above 0.")
    return scale


def parse_size(size: float | str, scale: float | None, *, area: bool = False) -> float:
    """A length or an area in (square) pixels of the upright original.

    Args:
        size: that already, or a text with a unit, such as "2mm", or of an area "0.5mm2".
        scale: millimetres per pixel; None if unknown.
        area: it is an area.

    Raises:
        ConfigError: the text is no such size, or there is no scale for it.
    """
    if not isinstance(size, str):
        return size
    found = SIZE.fullmatch(size)
    if not found or bool(found[3]) != area or found[1].count(".") > 1:
        example = "0.5mm2" if area else "2mm"
        raise ConfigError(f"{size!r} is no size; give a number of pixels, or a text such as {example}")
    if scale is None:
        raise ConfigError(f'{size!r} needs to know how long a pixel is; add scale = "0.05mm", for instance')
    pixels = float(found[1]) * (MILLIMETRES[found[2]] / scale) ** (2 if area else 1)
    if not 0 <= pixels < math.inf:
        raise ConfigError(f"{size!r} is {'below 0' if pixels < 0 else 'endless'}; give a size above 0")
    return pixels
