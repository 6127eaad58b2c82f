"""Pictures and the files they are saved to."""

import base64
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 60, 40

# 48 x 36 pixels, the left 32 of them blue, the others red; nothing that is installed writes HEIC
HEIC = base64.b85decode(
    "0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0004fZDn*}000000000XXk=`10000000000aA{+700000000000000000000B57=I"
    "V*mgE07O6l0RRC200001p#T8@00000001Na001LtX>Mi!000000RR916=`l}WdZ;I000310BCk&F#rGn01j|zbZr0t000010002}"
    "X>f9I0002pX>en20001XXm(>m0RwOV0058x000009`FGC{rLC*01pFT0096PKmiN^|NjGU00093kN^M!000939=ZZRVE_RDDnbDP"
    "18@KU0|1Z!00RI30{|YNAb|yz>g1-mxCm%4AOHXZ10VnZ0{|gn00967L;=Bbz=;3=025<xY;ta6Y<K_x01W^JfB*mh6lrsCWdHyG"
    "00000KmY&$KmY&$C}V74Z~y=RFaQ7m0RR91Bme*a0ssI1@Bjb+0{{R2<NyEw0ssI25O8UDX#fBK00RgJ2mk;87-?{AVE_OC00000"
    "0RRC7fdT^sga7~lENx_AbN~PVASeN^1Q`5=sU!B>_8k$I3?UPp(h%3vJKs7$_DV*NfB"
)


def picture(seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, data: bytes = b"") -> bytes:
    """A PNG file with this header and compressed data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bmp(pixels: np.ndarray) -> bytes:
    """A BMP file with a header of the fifth version; pixels in the order BGRA."""
    data = pixels[::-1].tobytes()
    header = struct.pack(
        "<IiiHHIIiiII", 124, pixels.shape[1], pixels.shape[0], 1, 32, 3, len(data), 0, 0, 0, 0
    ) + struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    return struct.pack("<2sIHHI", b"BM", 138 + len(data), 0, 0, 138) + header.ljust(124, b"\0") + data


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path
