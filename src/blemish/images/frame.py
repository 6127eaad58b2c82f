"""The geometry from an image to what the network sees: the whole of it, a crop, or tiles.

With tiles or `pad`, framed images keep their own proportions. The tiles are cut, or the square is filled up,
as the network takes them (`blemish.images.tiling`), so that maps and masks are of the image alone.
"""

import math
from collections.abc import Iterable
from statistics import median
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from blemish.images.alignment import Reference

MIN_SIDE = 32
STEP = 32  # pixels: convolutional networks halve the sides of whole images up to five times

Shape = tuple[int, int]  # height and width in pixels
Box = tuple[float, float, float, float]  # left, top, right and bottom in pixels

_TILING = ("tile", "overlap")
_Side = Annotated[int | None, BeforeValidator(lambda side: None if side == "none" else side)]


class Frame(BaseModel):
    """How any image becomes the network's input.

    In files and on command lines "none" stands for None.

    Attributes:
        resize: the shorter side is resized to this many pixels (bilinear, antialiased). None, which goes only
            with `tile` and is the default there, keeps the image's own resolution.
        crop: side of the square then cut from the centre. None shows the whole image instead: it is resized
            to about `resize`^2 pixels in the proportions of `aspect`. Always None with `tile`.
        aspect: width / height of a whole image in the network's eyes, in [1/16, 16]; only without `crop` and
            `tile`. None is 1 once a model is fitted, whatever the image's own; fitting takes the median of
            the good images for it where the network can. Sides are multiples of `step` unless it is 1.
        step: in pixels; fitting takes what the network needs: 32, or the patch of a Vision Transformer.
        pad: show the whole image in its own proportions, its longer side `resize` pixels, in the middle of a
            square whose rest repeats the image's border; only without `crop`, `tile` and `aspect`. Fitting
            sets it where the network takes squares only and the good images are not all square.
        tile: side of the square tiles that the whole image is cut into, see `blemish.images.tiling`; the
            network sees one at a time. Smaller images are enlarged. None: no tiles.
        overlap: the share of a tile, in [0, 0.75], by which neighbouring tiles overlap at least. Only with
            `tile`.
        align: move each picture onto one of the good ones (`blemish.images.alignment`); only without `crop`.
        reference: that one; fitting chooses it.
        bit_depth: of the pixels of grey 16-bit images, in [8, 16]; they are divided by 2^(bit_depth - 8). A
            camera of 10 or 12 bits that saves 16 needs its own number here, or its images are almost black.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: _Side = Field(default=256, ge=MIN_SIDE, le=4096)
    crop: _Side = Field(default=224, ge=MIN_SIDE)
    tile: _Side = Field(default=None, ge=MIN_SIDE, le=4096)
    overlap: float = Field(default=0.25, ge=0, le=0.75)
    aspect: float | None = Field(default=None, ge=1 / 16, le=16)
    step: int = Field(default=STEP, ge=1, le=64)
    pad: bool = False
    align: bool = False
    reference: Reference | None = None
    bit_depth: int = Field(default=16, ge=8, le=16)

    @model_validator(mode="before")
    @classmethod
    def _whole_images_for_tiles(cls, values: Any) -> Any:
        if isinstance(values, dict) and has_tiles(values):
            return {"resize": None, "crop": None} | values
        return values

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.aspect is not None and (self.crop or self.tile):
            raise ValueError("aspect goes only with whole images; leave it, or crop and tile, out")
        if self.pad and (self.crop or self.tile or self.aspect is not None):
            raise ValueError("pad goes only with frame.crop=none; leave it, or crop, tile and aspect, out")
        if self.align and self.crop:
            raise ValueError("align goes only with whole pictures; set frame.crop=none")
        if self.tile is None:
            if self.resize is None:
                raise ValueError(
                    "frame.resize is none, which goes only with frame.tile; give one of them a number"
                )
            if "overlap" in self.model_fields_set:
                raise ValueError("overlap goes only with tile; give a tile too, or leave it out")
            if self.crop is not None and self.crop > self.resize:
                raise ValueError(f"crop ({self.crop}) must not be larger than resize ({self.resize})")
        else:
            if self.crop is not None:
                raise ValueError(
                    f"frame.crop ({self.crop}) does not go with frame.tile ({self.tile}); leave one out"
                )
            if self.resize is not None and self.tile > self.resize:
                raise ValueError(f"tile ({self.tile}) must not be larger than resize ({self.resize})")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_in_force(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        unsaid = {"aspect": not self.aspect, "step": self.step == STEP, "pad": not self.pad}
        unsaid |= {"align": not self.align, "reference": self.reference is None}
        unsaid["bit_depth"] = self.bit_depth == 16
        unsaid |= dict.fromkeys(_TILING, not self.tile)
        return {key: value for key, value in values.items() if not unsaid.get(key)}

    @property
    def size(self) -> int:
        """Side of the network's input in pixels, or of a square of about its area."""
        size = self.tile or self.crop or self.resize
        assert size is not None
        return size

    @property
    def shape(self) -> Shape:
        """Height and width of the network's input."""
        if self.aspect in (None, 1):
            return self.size, self.size
        root = math.sqrt(self.aspect)
        height, width = (
            max(1, round(side / self.step)) * self.step for side in (self.size / root, self.size * root)
        )
        return height, width

    @property
    def keeps_proportions(self) -> bool:
        """Whether framed images have sizes of their own: with tiles, or with `pad`."""
        return self.pad or self.tile is not None

    def for_images(self, shapes: Iterable[Shape], *, step: int = STEP, square: bool = False) -> Self:
        """The frame that suits these images, if it shows whole ones.

        Where nothing is said of their proportions it takes their median ones, or where the network takes only
        a `square`, `pad` unless they are all square. Sides are multiples of `step` pixels.
        """
        if self.crop or self.tile or self.pad:
            return self
        if square:
            if self.aspect is not None or all(width == height for height, width in shapes):
                return self
            return self.model_copy(update={"pad": True})
        aspect = self.aspect or median([width / height for height, width in shapes] or [1.0])
        if aspect == 1:
            return self
        return self.model_copy(update={"aspect": min(max(aspect, 1 / 16), 16.0), "step": step})


def has_tiles(values: dict[str, Any]) -> bool:
    """Whether the fields of a frame, not yet checked, ask for tiles."""
    return values.get("tile") not in (None, "none")


def framed_size(width: int, height: int, frame: Frame) -> tuple[int, int]:
    """Width and height of what the frame shows of an image: the size of its anomaly map."""
    return resized(width, height, frame) if frame.keeps_proportions else frame.shape[::-1]


def visible_share(width: int, height: int, frame: Frame) -> float:
    """Share, in (0, 1], of an image's area that is left after the crop."""
    if frame.crop is None:
        return 1.0
    resized_width, resized_height = resized(width, height, frame)
    return frame.crop**2 / (resized_width * resized_height)


def visible_box(width: int, height: int, frame: Frame) -> tuple[Box, Box]:
    """What the frame shows of an image: the box of the image, and that of its anomaly map which it fills."""
    across, down = resized(width, height, frame)
    if frame.crop is None:
        return (0, 0, width, height), (0, 0, across, down)
    left, top, right, bottom = crop_box(across, down, frame.crop)
    x, y = width / across, height / down
    return (left * x, top * y, right * x, bottom * y), (0, 0, frame.crop, frame.crop)


def crop_box(width: int, height: int, crop: int) -> tuple[int, int, int, int]:
    """The square in the centre of a resized image."""
    left, top = round((width - crop) / 2), round((height - crop) / 2)
    return left, top, left + crop, top + crop


def sight(frame: Frame, share: float | None = None) -> str:
    """What the network sees, such as "whole pictures at 224 x 224 pixels".

    Args:
        frame: of the model.
        share: the least `visible_share` of its pictures; None if unknown.
    """
    height, width = frame.shape
    pixels = f"{width} x {height} pixels{', aligned' if frame.align else ''}"
    if frame.tile:
        return f"whole pictures in tiles of {pixels}"
    if frame.pad:
        return f"whole pictures in their own proportions, filled up to {pixels}"
    return f"{_centre(frame, share) or 'whole pictures'} at {pixels}"


def hidden(frame: Frame, share: float | None = None) -> str:
    """A sentence on what the frame hides from the network; "" if nothing. Takes what `sight` takes."""
    centre = _centre(frame, share)
    return centre and f"The frame shows the network {centre}; frame.crop=none shows it whole ones."


def _centre(frame: Frame, share: float | None) -> str:
    """The part of a picture that a crop shows; "" if all of it. A square shows most of itself."""
    shown = visible_share(1, 1, frame) if share is None else share
    most = "at most " if share is None else ""
    return f"{most}the central {min(round(100 * shown), 99)} % of a picture" if shown < 1 else ""


def resized(width: int, height: int, frame: Frame) -> tuple[int, int]:
    """Width and height of an image after the resize and before any crop or tiling."""
    short, long = min(width, height), max(width, height)
    if frame.pad:
        sides = frame.size, max(1, round(frame.size * short / long))
        return sides if width >= height else sides[::-1]
    if frame.crop is None and frame.tile is None:
        return frame.shape[::-1]
    wanted = frame.resize or max(short, frame.size)
    other = int(wanted * long / short)
    return (wanted, other) if width == short else (other, wanted)
