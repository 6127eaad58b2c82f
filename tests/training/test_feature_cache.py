"""Where the frozen network's features are kept."""

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from blemish.errors import BlemishError
from blemish.training.feature_cache import make_room
from blemish.training.read_images import _image_store

MAPS = torch.randn(2, 6, 5, 4).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
VECTORS = torch.randn(2, 3)
NEEDED = 7 * (6 * 5 * 4 * 2 + 3 * 4)


def disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Pretend that this many of a disk's 100,000 bytes are free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(total=100_000, free=free))


def fill(room: list[Tensor]) -> list[Tensor]:
    """Put random features into all rows, and give them."""
    whole = [torch.randn(stored.shape).to(stored.dtype) for stored in room]
    for stored, values in zip(room, whole, strict=True):
        stored[:4], stored[4:] = values[:4], values[4:]
    return whole


@pytest.mark.parametrize("memory", [NEEDED, NEEDED - 1])
def test_rows_come_back_as_they_were_put_in(
    memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, free=10_000 + NEEDED)
    room = make_room((MAPS, VECTORS), 7, memory, tmp_path)
    assert room is not None and not list(tmp_path.iterdir())
    rows = torch.tensor([6, 0, 3])
    for stored, values, like in zip(room, fill(room), (MAPS, VECTORS), strict=True):
        assert (stored.shape, stored.dtype) == ((7, *like.shape[1:]), like.dtype)
        assert torch.equal(stored[rows], values[rows])
        assert stored[rows].stride() == like.stride()


@pytest.mark.parametrize(("free", "processes"), [(10_000 + NEEDED - 1, 1), (10_000 + 2 * NEEDED - 1, 2)])
def test_a_tenth_of_the_disk_stays_free(
    free: int, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, free)
    assert make_room((MAPS, VECTORS), 7, NEEDED - 1, tmp_path, processes) is None
    disk(monkeypatch, free + 1)
    assert make_room((MAPS, VECTORS), 7, NEEDED - 1, tmp_path, processes) is not None


def test_a_disk_that_cannot_give_the_room_at_once_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    assert make_room((MAPS, VECTORS), 7, NEEDED - 1, tmp_path) is None
    assert not list(tmp_path.iterdir())
    with pytest.raises(BlemishError, match=f"need 0.0 GB in .*, {os.strerror(errno.ENOSPC)}; make room"):
        _image_store((2, 8, 8, 3), 0.0, tmp_path)


def test_no_room_without_memory_and_folder_or_without_features(tmp_path: Path) -> None:
    assert make_room((MAPS, VECTORS), 7, NEEDED - 1, None) is None
    assert make_room((), 7, NEEDED, tmp_path) is None
