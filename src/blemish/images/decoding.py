"""From the bytes of an image file, never trusted, to a picture of 8 bits a channel or one sentence."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePath
from typing import BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from blemish.errors import ImageError
from blemish.extras import install_command
from blemish.images import tiff
from blemish.images.finding import FilePath, path_errors
from blemish.images.formats import FORMATS, HEIF_EXTENSIONS
from blemish.images.frame import MIN_SIDE
from blemish.images.urls import is_url, read_url

MAX_PIXELS = 178_000_000  # just below the count at which Pillow itself refuses to open a file

ORIENTATION_TAG = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow warns from half of its limit on; MAX_PIXELS is checked here, before any pixel is decoded.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Its limit on each compressed text and colour profile of a PNG, 1 MiB, is below what programs write; that on
# all of them together stays.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY

log = logging.getLogger(__name__)


@contextmanager
def opened(path: FilePath) -> Iterator[BinaryIO]:
    """The file, or what a URL holds, in bytes."""
    if is_url(path):
        yield io.BytesIO(read_url(str(path)))
        return
    file_path = Path(path)
    with path_errors(path, ImageError):
        if file_path.is_dir():
            raise ImageError(f"{path} is a folder; give an image file.")
        if not file_path.exists():
            raise ImageError(f"{path} does not exist; check the path.")
        if not file_path.is_file():
            raise ImageError(f"{path} is not a regular file; give an image file.")
        if file_path.stat().st_size == 0:
            raise ImageError(f"{path} is empty; copy or export it again.")
        file = file_path.open("rb")
    with file:
        yield file


@contextmanager
def sentences(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises over untrusted bytes into one sentence."""
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(_too_large(name)) from error
    except MemoryError as error:
        raise ImageError(f"{name} does not fit into memory; cut it up or save it smaller.") from error
    except Exception as error:
        if "MAX_TEXT" in str(error):
            raise ImageError(f"{name} holds more text than pictures do; save it without metadata.") from error
        raise ImageError(f"{name} is truncated or damaged; copy or export it again.") from error


def _too_large(name: str, max_pixels: int = MAX_PIXELS) -> str:
    return f"{name} has more than {max_pixels / 10**6:.4g} million pixels; cut it up or save it smaller."


def check_size(
    width: int, height: int, name: str, min_side: int = MIN_SIDE, max_pixels: int = MAX_PIXELS
) -> None:
    """Raise an ImageError for too many pixels and for too short a side."""
    if width * height > max_pixels:
        raise ImageError(_too_large(name, max_pixels))
    if min(width, height) < min_side:
        raise ImageError(
            f"{name} is {width} x {height} pixels, smaller than what the network needs; "
            f"give images of at least {min_side} x {min_side}."
        )


def open_image(
    file: BinaryIO, name: str, min_side: int = MIN_SIDE, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    """Read the header of a file whose pixels may be decoded next."""
    with sentences(name):
        try:
            image = Image.open(file, formats=FORMATS)
        except UnidentifiedImageError as error:
            file.seek(0)
            raise ImageError(_unidentified(file.read(4), name)) from error
        check_header(image, name, min_side, max_pixels)
        return image


def check_header(
    image: Image.Image, name: str, min_side: int = MIN_SIDE, max_pixels: int = MAX_PIXELS
) -> None:
    """Raise an ImageError for a size, or a TIFF, that is not read."""
    check_size(image.width, image.height, name, min_side, max_pixels)
    if tiff.is_misread(image):
        raise ImageError(_unread_tiff(name))


def _unidentified(begin: bytes, name: str) -> str:
    if begin in tiff.BEGINS:
        return _unread_tiff(name)
    if "HEIF" not in FORMATS and PurePath(name).suffix.lower() in HEIF_EXTENSIONS:
        return f"{name} needs pi-heif: {install_command('heic')}."
    return f"{name} is not a PNG, JPEG, BMP, TIFF or WebP image; convert it to one."


def _unread_tiff(name: str) -> str:
    return f"{name} is a TIFF of a kind that is not read, or damaged; save it as PNG with 8 or 16 bits."


def decode(
    file: BinaryIO,
    name: str,
    bit_depth: int = 16,
    min_side: int = MIN_SIDE,
    max_pixels: int = MAX_PIXELS,
) -> Image.Image:
    """The picture as it lies in the file; `bit_depth` is a frame's."""
    image = open_image(file, name, min_side, max_pixels)
    load_pixels(image, name, bit_depth)
    return image


def load_pixels(image: Image.Image, name: str, bit_depth: int) -> None:
    """Decode an opened picture, in place."""
    with sentences(name):
        if bit_depth < 16 and len(image.getbands()) > 1 and ";16" in str(getattr(image, "tile", "")):
            raise ImageError(
                f"{name} has 16-bit colours, and frame.bit_depth={bit_depth} is for grey images; "
                "save it in grey or with 8 bits."
            )
        image.load()


def orientation(image: Image.Image) -> int:
    """What EXIF says, 1 to 8; 1 is upright."""
    try:
        return int(Image.Image.getexif(image).get(ORIENTATION_TAG, 1))  # that of a PNG would decode it
    except Exception:
        return 1  # damaged EXIF says nothing; the pixels may still be whole


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Turned by what `orientation` says."""
    return picture.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else picture


def as_8_bit(image: Image.Image, name: str, bit_depth: int = 16) -> Image.Image:
    """A decoded picture in mode L (grey) or RGB, as it lies in the file."""
    if image.mode.startswith("I;16"):
        depth = min(bit_depth, tiff.stored_bits(image))
        values = np.asarray(image)
        if values.max() >> depth:
            raise ImageError(
                f"{name} has values up to {values.max()}, more than frame.bit_depth={depth} holds; "
                "fit with a larger one, or leave the image out."
            )
        high = (values >> (depth - 8)).astype(np.uint8)
        return Image.fromarray(~high if tiff.is_inverted(image) else high)
    if image.mode in ("I", "F") or tiff.is_signed(image):
        raise ImageError(
            f"{name} has signed or 32-bit pixels, whose range is unknown; save it with 8 or 16 unsigned bits."
        )
    if image.has_transparency_data:
        picture = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        if picture.getchannel("A").getextrema() == (0, 0):
            say_that_alpha_is_ignored()
            return picture.convert("RGB")
        over_black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        over_black.alpha_composite(picture)
        return over_black.convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


@cache
def say_that_alpha_is_ignored() -> None:
    """Once."""
    log.warning("An image's alpha is 0 everywhere and is ignored, there and in all others like it.")


def is_lossy(image: Image.Image, file: BinaryIO) -> bool:
    """Whether the file's compression may have changed pixels."""
    if image.format == "WEBP":
        return _is_lossy_webp(file)
    return image.format not in ("PNG", "BMP", "TIFF") or image.info.get("compression") in tiff.LOSSY


def _is_lossy_webp(file: BinaryIO) -> bool:
    file.seek(12)
    while len(head := file.read(8)) == 8:
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        if kind in (b"VP8L", b"VP8 "):
            return kind == b"VP8 "
        file.seek(16 if kind == b"ANMF" else size + size % 2, io.SEEK_CUR)  # a frame has chunks of its own
    return True
