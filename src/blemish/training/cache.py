"""Room for decoded images and frozen features: in memory up to a budget, else in files without a name."""

import math
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blemish.errors import BlemishError, explained

if TYPE_CHECKING:
    from torch import Tensor

SPARE_DISK = 0.1  # share of the disk that features leave free


def nameless_array(shape: tuple[int, ...], folder: Path) -> np.memmap:
    """Zeros, uint8, in a temporary file of `folder` that vanishes with the array.

    Its room on the disk is taken at once where the system can do so: on a disk that fills up later, writing
    to the array would kill the process.

    Raises:
        OSError: the disk has no room, or the folder cannot be written.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, math.prod(shape))
        return np.memmap(file, np.uint8, "w+", shape=shape)


def room_for_images(shape: tuple[int, ...], gigabytes: float, folder: Path) -> np.ndarray:
    """An array for decoded images, uint8; in a file of `folder` when they take more memory than is given.

    Raises:
        BlemishError: the disk has no room.
    """
    needed = math.prod(shape)
    if needed <= gigabytes * 1e9:
        return np.empty(shape, np.uint8)
    mend = "make room, or raise training.cache_gigabytes if there is memory for them."
    need = f"The decoded images need {needed / 1e9:.1f} GB in {folder}"
    with explained(BlemishError, lambda why: f"{need}, {why}; {mend}", OSError):
        if needed > (free := shutil.disk_usage(folder).free):
            raise OSError(f"which has {free / 1e9:.1f} GB free")
        return nameless_array(shape, folder)


def room_for_features(
    features: "Sequence[Tensor]", count: int, memory: float, folder: Path | None, processes: int = 1
) -> "list[Tensor] | None":
    """Empty tensors for the features of `count` images, laid out in memory as those of a few are.

    Args:
        features: of a few images, [B, ...] each.
        count: N, images in all.
        memory: bytes of memory that they may take.
        folder: for files that hold what memory does not, where the disk has room; None allows none.
        processes: how many of them make such files.

    Returns:
        One tensor [N, ...] for each of `features`, of its dtype; None where there is no room, or no feature.
    """
    import torch

    sizes = [count * f[0].numel() * f.element_size() for f in features]
    needed = sum(sizes)
    if needed == 0:
        return None
    if needed <= memory:
        buffers = [torch.empty(size, dtype=torch.uint8) for size in sizes]
    elif folder and (disk := shutil.disk_usage(folder)).free - SPARE_DISK * disk.total >= needed * processes:
        try:
            buffers = [torch.from_numpy(nameless_array((size,), folder)) for size in sizes]
        except OSError:  # such as a quota, or another process that was quicker
            return None
    else:
        return None
    return [_laid_out(buffer, f, count) for buffer, f in zip(buffers, features, strict=True)]


def _laid_out(buffer: "Tensor", like: "Tensor", count: int) -> "Tensor":
    """Bytes as a tensor [count, ...]; a batch taken from it then has the strides of a computed one."""
    import torch

    flat = buffer.view(like.dtype)
    if like.ndim == 4 and like.is_contiguous(memory_format=torch.channels_last):
        _, channels, height, width = like.shape
        return flat.view(count, height, width, channels).permute(0, 3, 1, 2)
    return flat.view(count, *like.shape[1:])
