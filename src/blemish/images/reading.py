"""From an image file, whatever its format, to the frame that the network sees."""

import hashlib
import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from blemish.errors import ImageError
from blemish.images.alignment import Matrix, put_back
from blemish.images.decoding import (
    MAX_PIXELS,
    as_8_bit,
    check_size,
    decode,
    is_lossy,
    open_image,
    opened,
    orientation,
    sentences,
    upright,
)
from blemish.images.finding import FilePath
from blemish.images.formats import MEDIA_TYPES
from blemish.images.frame import Frame, crop_box, resized
from blemish.images.tiff import is_inverted, stored_bits

JPEG_BEGIN, JPEG_SCAN = b"\xff\xd8", b"\xff\xda"
MAX_SCANS = 200  # each decodes the whole picture again; progressive files have about ten


def read_image(path: FilePath, bit_depth: int = 16) -> np.ndarray:
    """Decode an image file to uint8 [H, W, 3] RGB, turned upright by its EXIF orientation.

    All `blemish.images.formats.FORMATS` are told by content, not by name; of several pages or frames the
    first is read. 16-bit pixels are divided by 256, or by less for a frame's `bit_depth`: never stretched to
    an image's own range, since brightness differences between images are information. Transparent pixels
    are shown over black, unless all are transparent.

    Raises:
        ImageError: missing, unreadable, truncated, below 32 pixels on a side, above MAX_PIXELS, with signed
            or 32-bit pixels, or above the bit depth.
    """
    return np.array(_read(path, bit_depth).convert("RGB"))


def read_mask(path: FilePath) -> np.ndarray:
    """Decode a mask file to bool [H, W]; pixels that are not zero are defective.

    Raises:
        ImageError: as `read_image`, but of any size from one pixel on and with any pixels, and for lossy
            compression, which leaves non-zero pixels everywhere.
    """
    name = str(path)
    with opened(path) as file, sentences(name):
        image = decode(file, name, min_side=1)
        if is_lossy(image, file):
            raise ImageError(f"{name} is compressed with loss and holds no exact mask; save the mask as PNG.")
        if image.mode.startswith(("I", "F")):
            pixels = np.asarray(image) != (65535 if is_inverted(image) else 0)
            return np.array(upright(Image.fromarray(pixels), orientation(image)))
        colours = upright(as_8_bit(image, name), orientation(image)).convert("RGB")
        return np.asarray(np.asarray(colours).any(axis=2))


class Framed(NamedTuple):
    """An image in a frame.

    Attributes:
        pixels: as `load_frame` gives them.
        width, height: of the upright original.
        move: that aligned it, see `blemish.images.alignment`; None where nothing did.
        is_alike: whether it matches the frame's reference; True without one.
    """

    pixels: np.ndarray
    width: int
    height: int
    move: Matrix | None = None
    is_alike: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright original."""
        return self.width, self.height

    def put_back(self, values: np.ndarray) -> np.ndarray:
        """What was found on `pixels`, float32 [H, W] or uint8 [H, W, 3], over the picture as it was.

        It is NaN, or black, where alignment moved the picture out of sight.
        """
        return values if self.move is None else put_back(values, self.move)


def to_frame(image: np.ndarray, frame: Frame) -> Framed:
    """Align, resize and crop an image, uint8 [H, W, 3] in RGB order, to the frame.

    A frame with tiles or `pad` gives the picture before that, uint8 [height, width, 3] of `framed_size`.
    It is aligned once the frame has a reference.

    Raises:
        ImageError: another dtype or shape, or a side below 32 pixels.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(
            f"An image array must be uint8 [height, width, 3] in RGB order, not {image.dtype} "
            f"{list(image.shape)}; convert it first."
        )
    check_size(image.shape[1], image.shape[0], "The image array")
    return _aligned(Image.fromarray(image), frame, "The image array")


def mask_to_frame(mask: np.ndarray, frame: Frame) -> np.ndarray:
    """Take a mask, bool [H, W], through the geometry of `to_frame`, nearest pixel; bool of that size."""
    image = Image.fromarray(mask.astype(np.uint8))
    return np.array(_framed(image, frame, Image.Resampling.NEAREST, "The mask")) != 0


def load_frame(path: FilePath, frame: Frame) -> np.ndarray:
    """The pixels of `to_frame(read_image(path, frame.bit_depth), frame)`, exactly; grey is one channel until
    the end."""
    return load_framed(path, frame).pixels


def load_framed(path: FilePath, frame: Frame) -> Framed:
    """`load_frame`, the size of the original and how it was aligned."""
    return _aligned(_read(path, frame.bit_depth), frame, str(path))


def load_shrunk(path: FilePath, bit_depth: int, size: tuple[int, int]) -> Image.Image:
    """The picture in RGB, averaged to this width and height."""
    return _read(path, bit_depth).convert("RGB").resize(size, Image.Resampling.BOX)


class Upload(NamedTuple):
    """An image that came as bytes: `framed` as `load_framed` gives it, and its media type told by content."""

    framed: Framed
    media_type: str


def frame_upload(data: bytes, name: str, frame: Frame, max_pixels: int = MAX_PIXELS) -> Upload:
    """`load_framed` of bytes that need not be trusted.

    Args:
        data: the content of an image file.
        name: what to call it in errors.
        frame: how the image becomes the network's input.
        max_pixels: refuse larger images before decoding them.

    Raises:
        ImageError: as `read_image`, also for no data and more than `max_pixels` or MAX_SCANS JPEG scans.
    """
    picture, media_type = _read_upload(data, name, frame.bit_depth, max_pixels)
    return Upload(_aligned(picture, frame, name, max_pixels), media_type)


def read_upload(data: bytes, name: str, bit_depth: int, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """`read_image` of bytes that need not be trusted; arguments and errors are those of `frame_upload`."""
    picture, _ = _read_upload(data, name, bit_depth, max_pixels)
    return np.array(picture.convert("RGB"))


def _read_upload(data: bytes, name: str, bit_depth: int, max_pixels: int) -> tuple[Image.Image, str]:
    """The upright picture in mode L (grey) or RGB, and its media type."""
    if not data:
        raise ImageError(f"{name} is empty; copy or export it again.")
    if data.startswith(JPEG_BEGIN) and data.count(JPEG_SCAN) > MAX_SCANS:
        raise ImageError(f"{name} has more than {MAX_SCANS} JPEG scans; save it anew.")
    with sentences(name):
        image = decode(io.BytesIO(data), name, bit_depth, max_pixels=max_pixels)
        picture = upright(as_8_bit(image, name, bit_depth), orientation(image))
    return picture, MEDIA_TYPES[str(image.format)]


def frame_digest(framed: np.ndarray) -> str:
    """16 hexadecimal digits that tell one framed image, uint8 [H, W, 3], from another."""
    return hashlib.blake2b(np.ascontiguousarray(framed).data, digest_size=8).hexdigest()


def image_size(path: FilePath) -> tuple[int, int]:
    """Width and height of the upright image, without decoding its pixels where the format allows.

    What a PNG says of its orientation only behind its pixels is not seen.

    Raises:
        ImageError: as `read_image`, except for damage past the header and for small sides.
    """
    with opened(path) as file, sentences(str(path)):
        image = open_image(file, str(path), min_side=1)
        if image.format == "TIFF":
            image.load()  # Pillow turns TIFF upright itself, depending on its version only here
        return (image.height, image.width) if orientation(image) in (5, 6, 7, 8) else image.size


def used_bits(path: FilePath) -> int | None:
    """How many bits the highest value of a grey 16-bit image needs; None for another image.

    Raises:
        ImageError: as `read_image`, except for small sides.
    """
    with opened(path) as file, sentences(str(path)):
        image = open_image(file, str(path), min_side=1)
        if not image.mode.startswith("I;16") or stored_bits(image) != 16:
            return None
        return int(np.asarray(image).max()).bit_length()


def _read(path: FilePath, bit_depth: int) -> Image.Image:
    """The upright picture in mode L (grey) or RGB."""
    name = str(path)
    with opened(path) as file, sentences(name):
        image = decode(file, name, bit_depth)
        return upright(as_8_bit(image, name, bit_depth), orientation(image))


def _aligned(picture: Image.Image, frame: Frame, name: str, max_pixels: int = MAX_PIXELS) -> Framed:
    width, height = picture.size
    move, is_alike = None, True
    if frame.reference:
        picture, move, match = frame.reference.place(picture)
        is_alike = match >= frame.reference.limit
    framed = _framed(picture, frame, Image.Resampling.BILINEAR, name, max_pixels).convert("RGB")
    return Framed(np.array(framed), width, height, move, is_alike)


def _framed(
    image: Image.Image, frame: Frame, resample: Image.Resampling, name: str, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    width, height = resized(image.width, image.height, frame)
    if width * height > max_pixels:
        remedy = "tiled" if frame.tile else "cropped"
        raise ImageError(f"{name} is too long and thin to be {remedy}; cut it into squarer pieces.")
    picture = image.resize((width, height), resample)
    return picture if frame.crop is None else picture.crop(crop_box(width, height, frame.crop))
