"""Digests of what decides a result: the code, the data, the configuration."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import blemish
from blemish.datasets import Sample
from blemish.errors import ImageError
from blemish.images import path_errors

DECIDES = {"benchmark/job.py"}
# other rooms and files, that show, move or compare results and cannot change one
NO_PART = {
    "benchmark",
    "cli",
    "comparison",
    "export",
    "report",
    "api.py",
    "apart.py",
    "cluster.py",
    "demo.py",
    "outputs.py",
    "parquet.py",
    "pictures.py",
    "prediction.py",
    "prediction_on_ray.py",
    "progress.py",
}


@cache
def code_version() -> str:
    """The version of the program and a digest of those of its sources that decide results."""
    package = Path(blemish.__file__).parent
    whole = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        relative = path.relative_to(package)
        if relative.parts[0] not in NO_PART or relative.as_posix() in DECIDES:
            whole.update(f"{relative.as_posix()}\n".encode() + path.read_bytes())
    return f"{blemish.__version__}+{whole.hexdigest()[:12]}"


def digest_of(values: Any) -> str:
    """A digest of plain JSON values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def digest_of_samples(samples: Iterable[Sample]) -> str:
    """A digest of images and masks by content, with their labels, in order; where they lie plays no part.

    Raises:
        ImageError: a file cannot be read.
    """
    whole = hashlib.sha256()
    for sample in samples:
        mask = digest_of_file(sample.mask) if sample.mask else ""
        line = f"{digest_of_file(sample.path)} {sample.label} {sample.defect} {mask}\n"
        whole.update(line.encode(errors="surrogateescape"))  # folders' names need not be text
    return whole.hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file; read once, although classes that are held out in turn share their images.

    Raises:
        ImageError: it cannot be read.
    """
    with path_errors(path, ImageError):
        state = path.stat()
        return _digest(path, state.st_mtime_ns, state.st_size)


@cache
def _digest(path: Path, changed: int, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
