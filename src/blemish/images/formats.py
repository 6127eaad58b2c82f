"""Which image files are read, and by which endings of their names they are found in folders."""

from contextlib import suppress

from PIL import features

_READ: dict[str, tuple[str, tuple[str, ...]]] = {  # by Pillow's name: media type and endings
    "PNG": ("image/png", (".png",)),
    "JPEG": ("image/jpeg", (".jpg", ".jpeg", ".jfif")),
    "BMP": ("image/bmp", (".bmp",)),
    "TIFF": ("image/tiff", (".tif", ".tiff")),
    "WEBP": ("image/webp", (".webp",)),
}
_AVIF = ("image/avif", (".avif",))
_HEIF = ("image/heif", (".heic", ".heif", ".hif"))
_CAMERAS = (".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".raw", ".rw2")
_OTHERS = (".dcm", ".exr", ".gif", ".j2k", ".jp2", ".jxl", ".pbm", ".pfm", ".pgm", ".pnm", ".ppm", ".psd")
_RARE = (".apng", ".dib", ".hdr", ".jpe", ".jpf", ".jxr", ".tga")

if "avif" in features.get_supported_modules():  # Pillow has it from 11.3 on
    _READ["AVIF"] = _AVIF
with suppress(ImportError):
    import pi_heif

    pi_heif.register_heif_opener()
    _READ["HEIF"] = _HEIF

FORMATS = tuple(_READ)
"""Pillow's names of the formats that are read."""

EXTENSIONS = frozenset(ending for _, endings in _READ.values() for ending in endings)
"""Endings, in lower case, of the files that are read as images."""

UNREAD_EXTENSIONS = frozenset(_CAMERAS + _OTHERS + _RARE + _AVIF[1] + _HEIF[1]) - EXTENSIONS
"""Endings, in lower case, of files that are known as pictures and not read here."""

HEIF_EXTENSIONS = frozenset(_HEIF[1])

MEDIA_TYPES = {name: media_type for name, (media_type, _) in _READ.items()} | {"MPO": "image/jpeg"}
"""By the format that Pillow tells of an opened image."""

EXTENSION_OF = {media_type: endings[0] for media_type, endings in _READ.values()}
"""By media type."""
