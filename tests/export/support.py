"""Folders of exports, and graphs that are no export yet."""

from collections.abc import Callable
from pathlib import Path

import onnx


def stray_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def in_two_files(exported: Path) -> Callable[..., None]:
    """In place of `write_graph`: what PyTorch makes of a large model."""

    def write(model: Path, out: Path, *rest: object, **options: object) -> None:
        onnx.save(onnx.load(exported), out, save_as_external_data=True, location="weights.data")

    return write
