"""The geometry from an image to what the network sees: one square, or tiles of a picture of any size."""

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

MIN_SIDE = 32

_TILING = ("tile", "overlap")
_Side = Annotated[int | None, BeforeValidator(lambda side: None if side == "none" else side)]


class Frame(BaseModel):
    """How any image becomes the network's square input.

    In files and on command lines "none" stands for None.

    Attributes:
        resize: the shorter side is resized to this many pixels (bilinear, antialiased). None, which goes only
            with `tile` and is the default there, keeps the image's own resolution.
        crop: side of the square then cut from the centre; None resizes the whole image to `resize` x `resize`
            instead, without keeping its aspect ratio. Always None with `tile`.
        tile: side of the square tiles that the whole image is cut into, see `blemish.images.tiling`; the
            network sees one at a time. Smaller images are enlarged. None: no tiles.
        overlap: the share of a tile, in [0, 0.75], by which neighbouring tiles overlap at least. Only with
            `tile`.
        bit_depth: of the pixels of grey 16-bit images, in [8, 16]; they are divided by 2^(bit_depth - 8). A
            camera of 10 or 12 bits that saves 16 needs its own number here, or its images are almost black.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: _Side = Field(default=256, ge=MIN_SIDE, le=4096)
    crop: _Side = Field(default=224, ge=MIN_SIDE)
    tile: _Side = Field(default=None, ge=MIN_SIDE, le=4096)
    overlap: float = Field(default=0.25, ge=0, le=0.75)
    bit_depth: int = Field(default=16, ge=8, le=16)

    @model_validator(mode="before")
    @classmethod
    def _whole_images_for_tiles(cls, values: Any) -> Any:
        if isinstance(values, dict) and has_tiles(values):
            return {"resize": None, "crop": None} | values
        return values

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
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
        unsaid = (() if self.tile else _TILING) + (() if self.bit_depth < 16 else ("bit_depth",))
        return {key: values[key] for key in values if key not in unsaid}

    @property
    def size(self) -> int:
        """Side of the network's input in pixels."""
        size = self.tile or self.crop or self.resize
        assert size is not None
        return size


def has_tiles(values: dict[str, Any]) -> bool:
    """Whether the fields of a frame, not yet checked, ask for tiles."""
    return values.get("tile") not in (None, "none")


def framed_size(width: int, height: int, frame: Frame) -> tuple[int, int]:
    """Width and height of what the frame shows of an image: the size of its anomaly map."""
    return resized(width, height, frame) if frame.tile else (frame.size, frame.size)


def visible_share(width: int, height: int, frame: Frame) -> float:
    """Share, in (0, 1], of an image's area that is left after the crop."""
    if frame.crop is None:
        return 1.0
    resized_width, resized_height = resized(width, height, frame)
    return frame.crop**2 / (resized_width * resized_height)


def resized(width: int, height: int, frame: Frame) -> tuple[int, int]:
    """Width and height of an image after the resize and before any crop or tiling."""
    if frame.resize is not None and frame.crop is None and frame.tile is None:
        return frame.resize, frame.resize
    short, long = min(width, height), max(width, height)
    wanted = frame.resize or max(short, frame.size)
    other = int(wanted * long / short)
    return (wanted, other) if width == short else (other, wanted)
