"""Arrays in files without a name."""

import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from blemish.training.temporary_array import nameless_array


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
    array = nameless_array((1000, 1000), tmp_path)
    assert taken[0] >= array.size and not array.any()
