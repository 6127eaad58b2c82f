"""What the process does in which a method is fitted, so that its peak memory is its own."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blemish.config import build_config
from blemish.datasets import Dataset, Sample


def fit(job: dict[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """Fit one method.

    Args:
        job: "name" of the data, "train" (paths), "config" (for `blemish.config.build_config`), "weights",
            "out", "resume" and "quiet".
        say: called with each sentence that the user should read.

    Returns:
        "seconds" that fitting took and "peak_memory_mb" of the process (None where the system does not tell).
    """
    import blemish.models.backbones  # the slow libraries, before the clock starts
    import blemish.training  # noqa: F401
    from blemish.fitting import fit_dataset
    from blemish.machine import peak_memory_mb

    start = time.perf_counter()
    fit_dataset(
        Dataset(job["name"], train=[Sample(Path(path), 0) for path in job["train"]]),
        build_config(**job["config"]),
        Path(job["out"]),
        weights=job["weights"],
        resume=job["resume"],
        quiet=job["quiet"],
        say=say,
    )
    return {"seconds": time.perf_counter() - start, "peak_memory_mb": peak_memory_mb()}
