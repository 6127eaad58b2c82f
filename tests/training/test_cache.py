"""Where decoded images and frozen features are kept."""

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
import pytest
import torch

from blemish.errors import BlemishError
from blemish.training.cache import nameless_array, room_for_features, room_for_images

MAPS = torch.randn(2, 6, 5, 4).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
VECTORS = torch.randn(2, 3)
NEEDED = 7 * (6 * 5 * 4 * 2 + 3 * 4)


def disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Pretend that this many of a disk's 100,000 bytes are free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(total=100_000, free=free))


@pytest.mark.parametrize("memory", [NEEDED, NEEDED - 1])
def test_features_come_back_as_they_were_put_in(
    memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, free=10_000 + NEEDED)
    room = room_for_features((MAPS, VECTORS), 7, memory, tmp_path)
    assert room is not None and not list(tmp_path.iterdir())
    whole = [torch.randn(stored.shape).to(stored.dtype) for stored in room]
    for stored, values in zip(room, whole, strict=True):
        stored[:4], stored[4:] = values[:4], values[4:]
    rows = torch.tensor([6, 0, 3])
    for stored, values, like in zip(room, whole, (MAPS, VECTORS), strict=True):
        assert (stored.shape, stored.dtype) == ((7, *like.shape[1:]), like.dtype)
        assert torch.equal(stored[rows], values[rows]) and stored[rows].stride() == like.stride()


@pytest.mark.parametrize("processes", [1, 2])
def test_a_tenth_of_the_disk_stays_free(
    processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for free, given in ((10_000 + processes * NEEDED - 1, False), (10_000 + processes * NEEDED, True)):
        disk(monkeypatch, free)
        room = room_for_features((MAPS, VECTORS), 7, NEEDED - 1, tmp_path, processes)
        assert (room is not None) is given
    assert room_for_features((MAPS, VECTORS), 7, NEEDED - 1, None) is None, "no folder"
    assert room_for_features((), 7, NEEDED, tmp_path) is None, "no feature"


def test_a_disk_without_room_is_none_for_features_and_a_sentence_for_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    assert room_for_features((MAPS, VECTORS), 7, NEEDED - 1, tmp_path) is None
    assert not list(tmp_path.iterdir())
    with pytest.raises(BlemishError, match=f"need 0.0 GB in .*, {os.strerror(errno.ENOSPC)}; make room"):
        room_for_images((2, 8, 8, 3), 0.0, tmp_path)
    disk(monkeypatch, free=5)
    with pytest.raises(BlemishError, match=r"which has 0\.0 GB free; make room, or raise"):
        room_for_images((2, 8, 8, 3), 0.0, tmp_path)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot take room at once")
def test_a_nameless_array_has_all_its_room_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    memmap = np.memmap

    def spy(file: IO[bytes], *arguments: Any, **options: Any) -> np.ndarray:
        taken.append(os.fstat(file.fileno()).st_blocks * 512)
        return memmap(file, *arguments, **options)

    monkeypatch.setattr(np, "memmap", spy)
    assert nameless_array((9999,), tmp_path).size <= taken[0]
