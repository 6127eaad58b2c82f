"""TIFF of every kind is read as tifffile reads it, or refused in a sentence."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.errors import ImageError
from blemish.images.reading import read_image, read_mask

tifffile = pytest.importorskip("tifffile")

SIZE = (40, 48)
KINDS: dict[str, tuple[int, str, list[str] | None]] = {  # channels, photometric, extra samples
    "grey": (1, "minisblack", None),
    "grey, 0 is white": (1, "miniswhite", None),
    "grey and alpha": (2, "minisblack", ["unassalpha"]),
    "grey times alpha": (2, "minisblack", ["assocalpha"]),
    "palette": (1, "palette", None),
    "rgb": (3, "rgb", None),
    "rgb and alpha": (4, "rgb", ["unassalpha"]),
    "rgb times alpha": (4, "rgb", ["assocalpha"]),
    "rgb and two more": (5, "rgb", ["unspecified", "unspecified"]),
    "YCbCr": (3, "ycbcr", None),
    "LAB": (3, "cielab", None),
    "CMYK": (4, "separated", None),
}
DEEP = KINDS.keys() - {"palette", "YCbCr", "LAB", "grey and alpha", "grey times alpha"}
DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "float32", "float64")
PALETTE = np.random.default_rng(1).integers(0, 65536, (3, 256), np.uint16)


def pixels(kind: str, dtype: str) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 2**16, (*SIZE, KINDS[kind][0]))
    if kind.endswith("times alpha"):
        values.sort(axis=2)
    if dtype == "bool":
        return values > 2**15
    bits = np.dtype(dtype).itemsize * 8
    return (values >> (16 - bits) if bits < 16 else values).astype(dtype)


def expected(kind: str, stored: np.ndarray) -> np.ndarray:
    """What the pixels look like in RGB."""
    high = stored >> 8 if stored.dtype == np.uint16 else stored * (255 if stored.dtype == bool else 1)
    high = high.astype(np.uint8)
    if kind == "grey, 0 is white":
        return 255 - high
    if kind == "palette":
        return (PALETTE >> 8).T[high[..., 0]]
    if kind in ("YCbCr", "LAB", "CMYK"):
        return np.asarray(Image.frombytes(kind, SIZE[::-1], high.tobytes()).convert("RGB"))
    if kind.endswith("and alpha"):
        return high[..., :-1] * (high[..., -1:] / 255)
    return high[..., : 1 if kind.startswith("grey") else 3]


@pytest.mark.filterwarnings("ignore:::tifffile", "ignore:::PIL")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_tifffiles_or_refused(tmp_path: Path, kind: str, dtype: str) -> None:
    stored = pixels(kind, dtype)
    channels, photometric, extra = KINDS[kind]
    if (kind == "palette" and dtype != "uint8") or (dtype == "bool" and channels > 1):
        pytest.skip("tifffile writes no such file")
    read = 0
    layouts = itertools.product(
        ("contig", "separate") if channels > 1 else ("contig",),
        (None, "zlib"),
        "<>",
        ({}, {"tile": (16, 16)}, {"bigtiff": True}),
    )
    for planar, compression, order, more in layouts:
        path = tmp_path / "a.tif"
        tifffile.imwrite(
            path,
            np.ascontiguousarray(stored.transpose(2, 0, 1)) if planar == "separate" else stored.squeeze(),
            photometric=photometric,
            extrasamples=extra,
            planarconfig=planar if channels > 1 else None,
            colormap=PALETTE if kind == "palette" else None,
            compression=compression,
            byteorder=order,
            metadata=None,
            **more,
        )
        told = tifffile.imread(path).reshape(stored.shape if planar == "contig" else (-1, *SIZE))
        np.testing.assert_array_equal(told if planar == "contig" else told.transpose(1, 2, 0), stored)
        try:
            image = read_image(path)
        except ImageError as error:
            assert re.match(r".*a\.tif (is a TIFF of a kind|has signed or 32-bit).*; save it ", str(error))
        else:
            read += 1
            within = 2 if channels > 1 and kind != "rgb" else 0
            wanted = np.broadcast_to(expected(kind, stored), (*SIZE, 3)).astype(float)
            np.testing.assert_allclose(image, wanted, rtol=0, atol=within, err_msg=f"{planar}, {compression}")
    assert (read > 0) == (dtype in ("bool", "uint8") or (dtype == "uint16" and kind in DEEP))


def patched(path: Path, image: np.ndarray, *, photometric: str, **tags: object) -> Path:
    """A TIFF of these pixels whose tags say something else of them."""
    tifffile.imwrite(path, image, photometric=photometric, metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name, value in tags.items():
            file.pages[0].tags[name].overwrite(value)
    return path


def test_12_bits_in_a_row_have_a_range_of_their_own(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4096, SIZE)
    bits = (values[..., None] >> np.arange(11, -1, -1)) & 1
    packed = np.packbits(bits.reshape(SIZE[0], -1).astype(np.uint8), axis=1)
    path = patched(tmp_path / "a.tif", packed, photometric="minisblack", ImageWidth=SIZE[1], BitsPerSample=12)
    np.testing.assert_array_equal(read_image(path)[..., 0], values >> 4)


def test_colours_with_fewer_pixels_are_refused_where_pillow_takes_them_for_all(tmp_path: Path) -> None:
    image = np.zeros((*SIZE, 3), np.uint8)
    path = patched(tmp_path / "a.tif", image, photometric="ycbcr", YCbCrSubSampling=(2, 2))
    with pytest.raises(ImageError, match=r"a\.tif is a TIFF of a kind that is not read, or damaged; save"):
        read_image(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_no_defect_in_a_mask_where_white_is_0(tmp_path: Path, dtype: type) -> None:
    pattern = pixels("grey", "bool")[..., 0]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.where(pattern, 0, np.iinfo(dtype).max).astype(dtype), photometric="miniswhite")
    np.testing.assert_array_equal(read_mask(path), pattern)
