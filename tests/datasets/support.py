"""Folders of small images, and the sentence of a refusal."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blemish.errors import DatasetError


def write(root: Path, *names: str, size: tuple[int, int] = (40, 40)) -> Path:
    """Different images of the same size; each name is a path below the root."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(list(name.encode())).integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(path)
    return root


def write_mask(path: Path, size: tuple[int, int] = (40, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, 255).save(path)
    return path


def refused(read: Callable[..., object], *arguments: object, **options: object) -> str:
    with pytest.raises(DatasetError) as caught:
        read(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
