"""What a TIFF's tags say of its pixels, where Pillow gives them wrongly or as they lie in the file."""

from typing import Any

from PIL.Image import Image

BEGINS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
LOSSY = ("jpeg", "tiff_jpeg", "webp")  # what Pillow calls the compressions

BITS, PHOTOMETRIC, PLANES, EXTRA, SAMPLE_FORMAT, SUBSAMPLING = 258, 262, 284, 338, 339, 530
MIN_IS_WHITE, YCBCR, SEPARATE, MULTIPLIED, SIGNED = 0, 6, 2, 1, 2


def is_misread(image: Image) -> bool:
    """Whether Pillow, which has opened the image, would not decode the pixels that the TIFF has.

    So it is where each channel has a plane of its own, if these are grey and alpha or CIELAB, or uncompressed
    and neither RGB nor CMYK of 8 bits; and with uncompressed YCbCr whose colours have fewer pixels than its
    brightness.
    """
    tags, raw = _tags(image), image.info.get("compression") == "raw"
    if tags.get(PLANES) == SEPARATE and len(image.getbands()) > 1:
        plain = image.mode in ("RGB", "RGBA", "CMYK") and max(tags[BITS]) == 8
        return image.mode in ("LA", "LAB") or (raw and (not plain or tags.get(EXTRA) == (MULTIPLIED,)))
    return raw and tags.get(PHOTOMETRIC) == YCBCR and tags.get(SUBSAMPLING, (2, 2)) != (1, 1)


def is_signed(image: Image) -> bool:
    """Whether its pixels may be negative, which Pillow shows only where they have 16 bits."""
    return SIGNED in _tags(image).get(SAMPLE_FORMAT, ())


def is_inverted(image: Image) -> bool:
    """Whether 0 is white in what Pillow gives; of pixels up to 8 bits it sees to that itself."""
    return image.mode.startswith("I;16") and _tags(image).get(PHOTOMETRIC) == MIN_IS_WHITE


def stored_bits(image: Image) -> int:
    """Bits of each pixel in the file of a picture of mode I;16: 12 in some TIFFs."""
    return int(max(_tags(image).get(BITS, (16,))))


def _tags(image: Image) -> Any:
    return getattr(image, "tag_v2", {})
