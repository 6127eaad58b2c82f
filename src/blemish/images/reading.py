"""From an image file, whatever its format, to the frame that the network sees."""

import hashlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from blemish.errors import ImageError
from blemish.images.finding import FilePath, path_errors
from blemish.images.formats import FORMATS, HEIF_EXTENSIONS, MEDIA_TYPES
from blemish.images.frame import MIN_SIDE, Frame, resized
from blemish.images.urls import is_url, read_url

MAX_PIXELS = 178_000_000  # just below the count at which Pillow itself refuses to open a file

JPEG_BEGIN, JPEG_SCAN = b"\xff\xd8", b"\xff\xda"
MAX_SCANS = 200  # each decodes the whole picture again; progressive files have about ten

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


def read_image(path: FilePath) -> np.ndarray:
    """Decode an image file to uint8 [H, W, 3] RGB, turned upright by its EXIF orientation.

    All `blemish.images.formats.FORMATS` are told by content, not by name; of several pages or frames the
    first is read. 16-bit pixels are divided by 256: never stretched to an image's own range, since
    brightness differences between images are information. Transparent pixels are shown over black.

    Raises:
        ImageError: missing, unreadable, truncated, below 32 pixels on a side, above MAX_PIXELS, or with
            32-bit pixels.
    """
    return np.array(_read(path).convert("RGB"))


def read_mask(path: FilePath) -> np.ndarray:
    """Decode a mask file to bool [H, W]; pixels that are not zero are defective.

    Raises:
        ImageError: as `read_image`, but of any size from one pixel on, and for a JPEG, whose compression
            leaves non-zero pixels everywhere.
    """
    with _opened(path) as file:
        image = _decode(file, str(path), min_side=1)
    if image.format in ("JPEG", "MPO"):
        raise ImageError(f"{path} is a JPEG, which cannot hold an exact mask; save the mask as PNG.")
    with _sentences(str(path)):
        upright = _upright(image)
        if upright.mode in ("1", "L", "F") or upright.mode.startswith("I"):
            return np.asarray(upright).astype(bool)
        colours = np.asarray(_as_8_bit(upright, str(path)).convert("RGB"))
        return np.asarray(colours.any(axis=2))


def to_frame(image: np.ndarray, frame: Frame) -> np.ndarray:
    """Resize and crop an image, uint8 [H, W, 3] in RGB order, to the frame: uint8 [S, S, 3].

    A frame with tiles gives the whole picture that is then cut, uint8 [height, width, 3] of `framed_size`.

    Raises:
        ImageError: another dtype or shape, or a side below 32 pixels.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ImageError(
            f"An image array must be uint8 [height, width, 3] in RGB order, not {image.dtype} "
            f"{list(image.shape)}; convert it first."
        )
    _check_size(image.shape[1], image.shape[0], "The image array")
    return np.array(_framed(Image.fromarray(image), frame, Image.Resampling.BILINEAR, "The image array"))


def mask_to_frame(mask: np.ndarray, frame: Frame) -> np.ndarray:
    """Take a mask, bool [H, W], through the geometry of `to_frame`, nearest pixel; bool of that size."""
    image = Image.fromarray(mask.astype(np.uint8))
    return np.array(_framed(image, frame, Image.Resampling.NEAREST, "The mask")) != 0


def load_frame(path: FilePath, frame: Frame) -> np.ndarray:
    """`to_frame(read_image(path), frame)`, exactly, but grey files stay single-channel until the end."""
    return np.array(_framed(_read(path), frame, Image.Resampling.BILINEAR, str(path)).convert("RGB"))


class Upload(NamedTuple):
    """An image that came as bytes: `framed` as `load_frame` gives it, its media type told by content, and the
    width and height of the upright image in pixels."""

    framed: np.ndarray
    media_type: str
    width: int
    height: int


def frame_upload(data: bytes, name: str, frame: Frame, max_pixels: int = MAX_PIXELS) -> Upload:
    """`load_frame` of bytes that need not be trusted.

    Args:
        data: the content of an image file.
        name: what to call it in errors.
        frame: how the image becomes the network's input.
        max_pixels: refuse larger images before decoding them.

    Raises:
        ImageError: as `read_image`, also for no data and more than `max_pixels` or MAX_SCANS JPEG scans.
    """
    if not data:
        raise ImageError(f"{name} is empty; copy or export it again.")
    if data.startswith(JPEG_BEGIN) and data.count(JPEG_SCAN) > MAX_SCANS:
        raise ImageError(f"{name} has more than {MAX_SCANS} JPEG scans; save it anew.")
    image = _decode(io.BytesIO(data), name, max_pixels=max_pixels)
    with _sentences(name):
        upright = _as_8_bit(_upright(image), name)
    framed = _framed(upright, frame, Image.Resampling.BILINEAR, name, max_pixels).convert("RGB")
    return Upload(np.array(framed), MEDIA_TYPES[str(image.format)], upright.width, upright.height)


def frame_digest(framed: np.ndarray) -> str:
    """16 hexadecimal digits that tell one framed image, uint8 [H, W, 3], from another."""
    return hashlib.blake2b(np.ascontiguousarray(framed).data, digest_size=8).hexdigest()


def image_size(path: FilePath) -> tuple[int, int]:
    """Width and height of the upright image, without decoding its pixels where the format allows.

    What a PNG says of its orientation only behind its pixels is not seen.

    Raises:
        ImageError: as `read_image`, except for damage past the header and for small sides.
    """
    with _opened(path) as file, _sentences(str(path)):
        image = Image.open(file, formats=FORMATS)
        _check_size(image.width, image.height, str(path), min_side=1)
        if image.format == "TIFF":
            image.load()  # Pillow turns TIFF upright itself, depending on its version only here
        return (image.height, image.width) if _orientation(image) in (5, 6, 7, 8) else image.size


@contextmanager
def _opened(path: FilePath) -> Iterator[BinaryIO]:
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
def _sentences(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises over untrusted bytes into one sentence."""
    try:
        yield
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        if "HEIF" not in FORMATS and PurePath(name).suffix.lower() in HEIF_EXTENSIONS:
            raise ImageError(f'{name} needs pi-heif: pip install "blemish[heic]".') from error
        raise ImageError(f"{name} is not a PNG, JPEG, BMP, TIFF or WebP image; convert it to one.") from error
    except Image.DecompressionBombError as error:
        raise ImageError(_too_large(name)) from error
    except MemoryError as error:
        raise ImageError(f"{name} does not fit into memory; cut it up or save it smaller.") from error
    except Exception as error:
        raise ImageError(f"{name} is truncated or damaged; copy or export it again.") from error


def _too_large(name: str, max_pixels: int = MAX_PIXELS) -> str:
    return f"{name} has more than {max_pixels / 10**6:.4g} million pixels; cut it up or save it smaller."


def _check_size(
    width: int, height: int, name: str, min_side: int = MIN_SIDE, max_pixels: int = MAX_PIXELS
) -> None:
    if width * height > max_pixels:
        raise ImageError(_too_large(name, max_pixels))
    if min(width, height) < min_side:
        raise ImageError(
            f"{name} is {width} x {height} pixels, smaller than what the network needs; "
            f"give images of at least {min_side} x {min_side}."
        )


def _decode(file: BinaryIO, name: str, min_side: int = MIN_SIDE, max_pixels: int = MAX_PIXELS) -> Image.Image:
    with _sentences(name):
        image = Image.open(file, formats=FORMATS)
        _check_size(image.width, image.height, name, min_side, max_pixels)
        image.load()
        return image


def _read(path: FilePath) -> Image.Image:
    """The upright picture in mode L (grey) or RGB."""
    with _opened(path) as file:
        image = _decode(file, str(path))
        with _sentences(str(path)):
            return _as_8_bit(_upright(image), str(path))


def _orientation(image: Image.Image) -> int:
    try:
        return int(Image.Image.getexif(image).get(ORIENTATION_TAG, 1))  # that of a PNG would decode it
    except Exception:
        return 1  # damaged EXIF says nothing; the pixels may still be whole


def _upright(image: Image.Image) -> Image.Image:
    orientation = _orientation(image)
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def _as_8_bit(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ImageError(f"{name} has 32-bit pixels, whose range is unknown; save it with 8 or 16 bits.")
    if image.has_transparency_data:
        over_black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        over_black.alpha_composite(image.convert("RGBA"))
        return over_black.convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _framed(
    image: Image.Image, frame: Frame, resample: Image.Resampling, name: str, max_pixels: int = MAX_PIXELS
) -> Image.Image:
    width, height = resized(image.width, image.height, frame)
    if width * height > max_pixels:
        remedy = "tiled" if frame.tile else "cropped"
        raise ImageError(f"{name} is too long and thin to be {remedy}; cut it into squarer pieces.")
    picture = image.resize((width, height), resample)
    if frame.crop is None:
        return picture
    left, top = round((width - frame.crop) / 2), round((height - frame.crop) / 2)
    return picture.crop((left, top, left + frame.crop, top + frame.crop))
