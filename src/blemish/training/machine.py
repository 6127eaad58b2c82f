"""What training finds out about, and asks of, the machine."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import torch


def choose_precision(precision: str) -> Literal["no", "bf16"]:
    """Accelerate's name for the precision; "auto" takes bfloat16 where it is fast."""
    if precision == "auto":
        if torch.cuda.is_available():
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
        return "bf16" if torch.cpu._is_avx512_bf16_supported() else "no"
    return "bf16" if precision == "bf16" else "no"


@contextmanager
def deterministic_kernels(wanted: bool) -> Iterator[None]:
    """Insist on deterministic kernels for a while."""
    before = torch.are_deterministic_algorithms_enabled()
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is only deterministic with it
    torch.use_deterministic_algorithms(wanted or before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def peak_memory_mb() -> float | None:
    """Of this process so far; None on systems that do not tell.

    Linux's `getrusage` starts a new process at the peak of the one that started it, /proc does not.
    """
    with suppress(OSError, IndexError, ValueError):
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return round(int(status.partition("VmHWM:")[2].split()[0]) / 1024, 1)
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
