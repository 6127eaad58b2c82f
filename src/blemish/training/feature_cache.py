"""Room for the frozen network's features of all images: in memory, else in nameless files."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from blemish.training.temporary_array import nameless_array

SPARE_DISK = 0.1  # share of the disk that is left free


def make_room(
    features: Sequence[Tensor], count: int, memory: float, folder: Path | None, processes: int = 1
) -> list[Tensor] | None:
    """Empty tensors for the features of `count` images, laid out in memory as those of a few are.

    Args:
        features: of a few images, [B, ...] each.
        count: N, images in all.
        memory: bytes of memory that they may take.
        folder: where files may hold what memory does not, as long as the disk keeps `SPARE_DISK` of its size
            free; None allows no files.
        processes: how many of them make such files.

    Returns:
        One tensor [N, ...] for each of `features`, of its dtype; None where there is no room, or no feature.
    """
    sizes = [count * f[0].numel() * f.element_size() for f in features]
    needed = sum(sizes)
    if needed == 0:
        return None
    if needed <= memory:
        buffers = [torch.empty(size, dtype=torch.uint8) for size in sizes]
    elif folder is not None and needed * processes <= _room_on_disk(folder):
        try:
            buffers = [torch.from_numpy(nameless_array((size,), folder)) for size in sizes]
        except OSError:  # such as a quota, or another process that was quicker
            return None
    else:
        return None
    return [_laid_out(buffer, f, count) for buffer, f in zip(buffers, features, strict=True)]


def _laid_out(buffer: Tensor, like: Tensor, count: int) -> Tensor:
    """Bytes as a tensor [count, ...]; a batch taken from it then has the strides of a computed one."""
    flat = buffer.view(like.dtype)
    if like.ndim == 4 and like.is_contiguous(memory_format=torch.channels_last):
        _, channels, height, width = like.shape
        return flat.view(count, height, width, channels).permute(0, 3, 1, 2)
    return flat.view(count, *like.shape[1:])


def _room_on_disk(folder: Path) -> float:
    usage = shutil.disk_usage(folder)
    return usage.free - SPARE_DISK * usage.total
