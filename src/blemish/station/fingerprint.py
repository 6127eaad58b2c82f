"""What tells one model file from another."""

import hashlib
from pathlib import Path


def fingerprint(path: Path) -> str:
    """SHA-256 of a model file, in hexadecimal digits; of an .xml file, of it and its .bin file."""
    digest = hashlib.sha256()
    for part in _files(path):
        with part.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    return [path, path.with_suffix(".bin")] if path.suffix.lower() == ".xml" else [path]


def stamp_of(path: Path) -> tuple[int, ...]:
    """Changes whenever the file is written or replaced."""
    stats = [part.stat() for part in _files(path)]
    return tuple(number for stat in stats for number in (stat.st_ino, stat.st_size, stat.st_mtime_ns))
