"""Arrays in files without a name, for what memory does not hold."""

import math
import os
import tempfile
from pathlib import Path

import numpy as np


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
