"""Heat maps and mask contours as pictures. One fixed scale for all images, so that good ones stay cool."""

import base64
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from blemish.files import whole_file, writing
from blemish.images.maps import BAND

if TYPE_CHECKING:
    from blemish.calibration import Calibration

# Four stops each of the colour maps Plasma and Viridis (Smith and van der Walt, public domain) without their
# dark ends, which would be lost on dark parts: lightness rises steadily, so the order survives colour-blind
# eyes and grey print.
_PLASMA = np.array([(140, 10, 165), (204, 71, 120), (248, 149, 64), (240, 249, 33)], np.float64)
_VIRIDIS = np.array([(59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float64)
_STOPS = np.linspace(0, 1, len(_PLASMA))

_DOUBLINGS = 3  # a third of the colours each: up to the alarm, up to 3 and up to 7 times its distance
_ALARM = 1 / (2**_DOUBLINGS - 1)  # where the alarm lies between low and high

_LEVELS = 1024  # of heat that are told apart
_OPACITY = 0.5  # of full heat: what lies below stays legible
_STEEPNESS = 1.5  # of the opacity: it is full from two thirds of the heat on
_GREY = np.array((0.299, 0.587, 0.114))
_HATCHES = 40  # from one end of a picture's longer side to the other, where nothing was seen
_DARKER, _LIGHTER = 0.5, 90  # the grey share left there, and what a line of the hatching adds to it
_OUTLINES = 320  # an outline is this part of the longer side

_LETTERS = 24  # letters are this part of the longer side high

_PANEL = 192  # pixels that a panel is wide at least
_GAP = 8  # around panels
_CAPTION = 22  # height of a caption


@dataclass(frozen=True)
class HeatScale:
    """Which raw map values get which colour; the same for every image.

    Attributes:
        low: no colour up to here.
        high: full colour from here on.

    Raises:
        ValueError: `high` does not exceed `low`.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.high > self.low:
            raise ValueError(f"the scale's high ({self.high}) must exceed its low ({self.low})")

    @property
    def alarm(self) -> float:
        """The value one third up the colours; see `from_calibration`."""
        return self.low + _ALARM * (self.high - self.low)

    @classmethod
    def from_calibration(cls, calibration: "Calibration") -> "HeatScale":
        """The scale of a model whose map peaks are calibrated; `Detector.heat_scale` gives it.

        The peak of a map is its largest value. Colour starts at the typical good image's peak (the median);
        one third up the colours lies the alarm, the threshold of the calibration: at most its false-alarm
        rate of good images peak higher. The colours end where the distance from typical to alarm is exceeded
        sevenfold. Only that distance counts, so the raw scale may be tiny or shifted.

        Args:
            calibration: of the peaks of held-out good images. Where the score is the peak, as with GTrans,
                it is the calibration of the scores, and the alarm is the threshold of the verdicts.
        """
        alarm = float(calibration.threshold)
        low = float(np.median(calibration.scores))
        low = min(low, alarm - max(0.05 * abs(alarm), 1e-30))
        return cls(low, low + (alarm - low) / _ALARM)

    def heat(self, values: np.ndarray) -> np.ndarray:
        """Place raw values on the scale, float [...] to float64 [...] in [0, 1].

        0 up to `low`, 1 from `high` on, logarithmic between: equal steps of heat double the distance from
        `low` (plus one unit), because defects exceed good parts by factors rather than by steps.
        """
        units = (np.asarray(values, dtype=np.float64) - self.low) / (_ALARM * (self.high - self.low))
        return np.clip(np.log2(1 + np.maximum(units, 0)) / _DOUBLINGS, 0, 1)

    def value_at(self, heat: float) -> float:
        """The raw value whose heat is `heat`, in [0, 1]."""
        return self.low + _ALARM * (2 ** (_DOUBLINGS * heat) - 1) * (self.high - self.low)


def heat_colours(map01: np.ndarray, stops: np.ndarray = _PLASMA) -> np.ndarray:
    """Heat in [0, 1], float [...], to uint8 RGB [..., 3]: violet through orange to yellow."""
    map01 = np.clip(map01, 0, 1)
    channels = [np.interp(map01, _STOPS, stops[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def overlay(
    image: np.ndarray, anomaly_map: np.ndarray, scale: HeatScale, mask: np.ndarray | None = None
) -> np.ndarray:
    """Tint the image with the heat, the more the higher; at most half of a pixel's colour is heat.

    Nothing is taken from this image's own range: what a colour means never changes. Values up to `low` leave
    the image as it is. NaN, where the model saw nothing, is grey, darkened and hatched.

    Args:
        image: uint8 [H, W, 3].
        anomaly_map: float [H, W], raw values.
        scale: which of them get which colour.
        mask: bool [H, W], outlined as by `draw_contour`, or None.

    Returns:
        uint8 [H, W, 3].

    Raises:
        ValueError: the sizes differ.
    """
    picture = _laid_over(image, anomaly_map, scale.heat, _PLASMA)
    return picture if mask is None else draw_contour(picture, mask)


def attention_overlay(image: np.ndarray, attention: np.ndarray) -> np.ndarray:
    """Lay a Grad-CAM map, float [H, W] in [0, 1], over the image, otherwise as `overlay` does.

    It is in greens, so that nobody takes it for a heat map.
    """
    return _laid_over(image, attention, np.asarray, _VIRIDIS)


def _laid_over(
    image: np.ndarray, values: np.ndarray, heat: Callable[[np.ndarray], np.ndarray], stops: np.ndarray
) -> np.ndarray:
    """The image tinted by a map, whose values `heat` places in [0, 1]; 0 is no colour."""
    if image.shape != (*values.shape, 3):
        raise ValueError(f"an image {image.shape} cannot carry a map {values.shape}")
    levels = np.linspace(0, 1, _LEVELS)
    opacity = _OPACITY * np.minimum(_STEEPNESS * levels, 1)[:, None]
    colours, rest = (
        (opacity * heat_colours(levels, stops)).astype(np.float32),
        (1 - opacity).astype(np.float32),
    )
    height, width = values.shape
    spacing = max(4, max(height, width) // _HATCHES)
    picture = np.empty_like(image)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        band = slice(top, top + rows)
        hidden = np.isnan(values[band])
        level = np.rint((_LEVELS - 1) * heat(np.where(hidden, 0, values[band]))).astype(np.intp)
        drawn = rest[level] * image[band] + colours[level]
        if hidden.any():
            down, right = np.nonzero(hidden)
            lines = (top + down + right) % spacing < spacing / 4
            drawn[hidden] = (_DARKER * (image[band][hidden] @ _GREY) + _LIGHTER * lines)[:, None]
        picture[band] = np.rint(drawn)
    return picture


def panels(pictures: Mapping[str, np.ndarray]) -> np.ndarray:
    """Pictures, uint8 [H, W, 3] by caption, side by side on white, each under its caption; uint8 [H', W', 3].

    Small ones are enlarged crisply.
    """
    height, width = next(iter(pictures.values())).shape[:2]
    times = max(1, -(-_PANEL // width))
    height, width = times * height, times * width
    sheet = Image.new("RGB", (_GAP + len(pictures) * (width + _GAP), _CAPTION + height + _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for number, (caption, picture) in enumerate(pictures.items()):
        left = _GAP + number * (width + _GAP)
        draw.text((left, 2), caption, fill="black", font=font)
        sheet.paste(Image.fromarray(picture.repeat(times, axis=0).repeat(times, axis=1)), (left, _CAPTION))
    return np.asarray(sheet)


def lettered(picture: np.ndarray, text: str) -> np.ndarray:
    """A copy of a picture, uint8 [H, W, 3], with a text on white in its upper left corner."""
    sheet = Image.fromarray(picture)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=max(8, max(sheet.size) // _LETTERS))
    draw.rectangle(draw.textbbox((2, 2), text, font=font), fill="white")
    draw.text((2, 2), text, fill="black", font=font)
    return np.array(sheet)


def contour(mask: np.ndarray) -> np.ndarray:
    """The pixels just outside the mask, bool [H, W], that touch it, diagonally too; bool [H, W]."""
    padded = np.pad(mask, 1)
    rows = padded[:-2] | padded[1:-1] | padded[2:]
    return (rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:]) & ~mask


def draw_contour(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A copy of `image`, uint8 [H, W, 3], with the mask, bool [H, W], outlined white, then black.

    The lines grow with the picture, so that they are seen when it is shown small.
    """
    if image.shape[:2] != mask.shape:
        raise ValueError(f"an image {image.shape} cannot carry a mask {mask.shape}")
    picture = image.copy()
    for shade in (255, 0):
        inside = mask
        for _ in range(max(1, round(max(mask.shape) / _OUTLINES))):
            mask = mask | contour(mask)
        picture[mask & ~inside] = shade
    return picture


def draw_outlines(
    image: np.ndarray, polygons: Iterable[np.ndarray], width: int, height: int, colour: str = "cyan"
) -> np.ndarray:
    """`image`, uint8 [H, W, 3], with polygons, float [n, 2] of points (x, y), in a colour on black.

    No heat is cyan, and no contour of a mask. The lines grow with the picture.

    Args:
        image: of any size.
        polygons: in a picture of `width` x `height` pixels, which the image shows.
    """
    polygons = list(polygons)
    if not polygons:
        return image
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    share = np.array(image.shape[1::-1]) / (width, height)
    lines = [[tuple(point) for point in (polygon * share).tolist()] for polygon in polygons]
    line = max(1, round(max(image.shape[:2]) / _OUTLINES))
    for fill, thickness in (("black", 3 * line), (colour, line)):
        for corners in lines:
            draw.line([*corners, corners[0]], fill=fill, width=thickness, joint="curve")
    return np.asarray(picture)


def encode_jpeg(image: np.ndarray) -> bytes:
    """uint8 [H, W, 3] as a JPEG file that keeps thin coloured lines sharp."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=88, subsampling=0)
    return buffer.getvalue()


def data_uri(image: np.ndarray) -> str:
    """uint8 [H, W, 3] as a JPEG to put into a page."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image)).decode()


def save_png(image: np.ndarray, path: Path) -> None:
    """Write uint8 [H, W, 3] (or [H, W]) as a PNG file, whole, whatever the path's ending."""
    with whole_file(path, "wb") as file, writing(path):
        Image.fromarray(image).save(file, "PNG", compress_level=4)  # half the time of 6, files 2 % larger
