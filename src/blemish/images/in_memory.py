"""From an image in memory, whatever holds it, to the pixels that a file of it would give."""

from typing import Any, Protocol

import numpy as np
from PIL import Image

from blemish.errors import ConfigError, ImageError
from blemish.images.decoding import (
    as_8_bit,
    check_header,
    check_size,
    load_pixels,
    orientation,
    sentences,
    upright,
)
from blemish.images.finding import FilePath
from blemish.images.reading import read_upload

CHANNELS = (1, 3, 4)  # grey, RGB, RGB and alpha
ROUNDING = 1e-3  # by which floats may lie outside 0 to 1


class Tensor(Protocol):
    """A PyTorch tensor, told without importing PyTorch."""

    def cpu(self) -> Any:
        """The same in main memory."""


AnyImage = FilePath | bytes | Image.Image | np.ndarray | Tensor


def rgb_pixels(image: bytes | Image.Image | np.ndarray | Tensor, bit_depth: int = 16) -> np.ndarray:
    """The upright picture, uint8 [H, W, 3] in RGB order, sharing no memory with what is given.

    What is read of files holds here too (`blemish.images.reading.read_image`): alpha, 16 bits, sizes.

    Args:
        image: the bytes of an image file; a PIL image; or an array or tensor: grey [H, W], [H, W, C] or
            [C, H, W] with 1, 3 (RGB) or 4 (RGB and alpha) channels, of uint8, of floats from 0 to 1, or grey
            of uint16.
        bit_depth: a frame's.

    Raises:
        ImageError: another shape, dtype or range, or what `read_image` refuses.
        ConfigError: it is no image at all.
    """
    if isinstance(image, bytes):
        return read_upload(image, "The image", bit_depth)
    picture = image if isinstance(image, Image.Image) else Image.fromarray(_pixels(image))
    name = "The image" if picture is image else "The image array"
    with sentences(name):
        check_header(picture, name)
        load_pixels(picture, name, bit_depth)
        return np.array(upright(as_8_bit(picture, name, bit_depth), orientation(picture)).convert("RGB"))


def _pixels(array: Any) -> np.ndarray:
    """uint8 [H, W] or [H, W, 3 or 4], or uint16 [H, W]."""
    if hasattr(array, "cpu"):
        tensor = array.cpu().detach()
        array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()  # NumPy has no bfloat16
    if not isinstance(array, np.ndarray):
        raise ConfigError(
            f"{type(array).__name__} is no kind of image; give a path, the bytes of a file, a PIL image, "
            "a NumPy array or a PyTorch tensor."
        )
    shape = list(array.shape)
    if array.ndim == 3 and shape[2] not in CHANNELS and shape[0] in CHANNELS:
        array = np.moveaxis(array, 0, 2)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2 and not (array.ndim == 3 and array.shape[2] in CHANNELS):
        raise ImageError(
            f"The image array is {shape}; give [height, width] for grey, [height, width, 3] for RGB, or a "
            "list of such arrays."
        )
    check_size(array.shape[1], array.shape[0], "The image array")
    if array.dtype == np.uint8 or (array.dtype == np.uint16 and array.ndim == 2):
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(
            f"The image array is {array.dtype}; give uint8 from 0 to 255, grey of uint16, or floats from 0 "
            "to 1."
        )
    low, high = float(array.min()), float(array.max())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # nor is NaN
        raise ImageError(
            f"The image array has floats from {low:g} to {high:g}; scale them to 0 to 1, or give uint8 from "
            "0 to 255."
        )
    return np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)
