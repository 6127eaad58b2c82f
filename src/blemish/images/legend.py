"""What an overlay says below its picture: the verdict, and what the colours mean."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from blemish.images.drawing import HeatScale, overlay

LETTERS = 50  # letters are this part of the longer side high, unless the picture is too narrow
SMALLEST = 12  # pixels that letters are high at least
BAR = 26  # letters' heights that the colours are wide
PAPER, INK = (238, 238, 238), "black"
GREY = 128  # of the picture under the colours


def colour_scale(scale: HeatScale, width: int, height: int) -> np.ndarray:
    """The colours of the scale from low to high over mid grey, as heat maps have them; uint8 [H, W, 3]."""
    ramp = np.array([[scale.value_at(heat) for heat in np.linspace(0, 1, width)]])
    strip = overlay(np.full((1, width, 3), GREY, np.uint8), ramp, scale)
    return np.repeat(strip, height, axis=0)


def with_legend(
    pictures: Sequence[np.ndarray], verdict: str, scale: HeatScale, rate: float | None
) -> np.ndarray:
    """Pictures side by side, and below them a line of words and the colours with the values they stand for.

    Args:
        pictures: uint8 [H, W, 3], all of one size; none of their pixels changes.
        verdict: the words; the font has ASCII, so letters lose their accents, and others become "?".
        scale: of the colours.
        rate: p-value of the scale's alarm among the peaks of good images' maps; None leaves it out.

    Returns:
        uint8 [H + strip, W', 3]; a picture too narrow for its legend has grey at its right.
    """
    high, wide = pictures[0].shape[:2]
    letters = max(SMALLEST, min(max(high, wide) // LETTERS, wide // (BAR + 1)))
    font = ImageFont.load_default(size=letters)
    verdict = _in_ascii(verdict)
    gap = letters // 2
    needed = int(max(font.getlength(verdict), BAR * letters)) + 2 * gap
    width = max(len(pictures) * (wide + gap) - gap, needed)
    strip = Image.new("RGB", (width, 5 * letters), PAPER)
    draw = ImageDraw.Draw(strip)
    draw.text((gap, gap), verdict, fill=INK, font=font)
    top = gap + 3 * letters // 2
    strip.paste(Image.fromarray(colour_scale(scale, BAR * letters, letters)), (gap, top))
    at_alarm = f"{scale.alarm:.3g} alarm" if rate is None else f"{scale.alarm:.3g} (p {rate:.2g})"
    places = (
        (0, "la", f"{scale.low:.3g} typical"),
        (1 / 3, "la", at_alarm),
        (1, "ra", f"{scale.high:.3g} +"),
    )
    for share, anchor, words in places:
        at = gap + share * BAR * letters
        draw.line([(at, top + letters), (at, top + letters + gap)], fill=INK, width=max(1, letters // 12))
        draw.text((at, top + letters + gap), words, fill=INK, font=font, anchor=anchor)
    sheet = np.full((high + strip.height, width, 3), PAPER, np.uint8)
    for number, picture in enumerate(pictures):
        left = number * (wide + gap)
        sheet[:high, left : left + wide] = picture
    sheet[high:] = strip
    return sheet


def _in_ascii(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    bare = "".join(part for part in parts if not unicodedata.combining(part))
    return bare.encode("ascii", "replace").decode("ascii")
