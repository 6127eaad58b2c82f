"""What the speed scripts share: contenders that take turns, and Markdown tables.

CPU seconds are those of all threads of a process; other work on the machine hardly moves them, while it moves
wall seconds at will. A machine's speed drifts, so only what was measured in turns may be compared.
"""

import ctypes
import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

PACKAGES = ("torch", "onnxruntime", "openvino", "numpy")
PEAK, RESIDENT = "VmHWM", "VmRSS"


class Turn(NamedTuple):
    """One turn of a contender."""

    cpu: float  # seconds, all threads
    wall: float  # seconds
    peak_mb: float  # the most resident memory of the process so far
    extra_mb: float  # how much of it came during the turn, where that was asked for


# does the work; one that measures itself, such as a worker process, returns its turn
Contender = Callable[[], Turn | None]


@dataclass
class Measured:
    """All turns of one contender, without the warm-up."""

    name: str
    cpu: list[float] = field(default_factory=list)  # seconds of each turn
    wall: list[float] = field(default_factory=list)  # seconds of each turn
    peak_mb: float = 0.0  # most resident memory of the process in any turn
    extra_mb: float = 0.0  # most that any turn added to it

    @property
    def cpu_seconds(self) -> float:
        """Median over the turns."""
        return statistics.median(self.cpu)

    @property
    def wall_seconds(self) -> float:
        """Median over the turns."""
        return statistics.median(self.wall)

    def add(self, turn: Turn) -> None:
        self.cpu.append(turn.cpu)
        self.wall.append(turn.wall)
        self.peak_mb = max(self.peak_mb, turn.peak_mb)
        self.extra_mb = max(self.extra_mb, turn.extra_mb)


def alternate(
    contenders: Mapping[str, Contender], repeats: int, *, memory: bool = False
) -> dict[str, Measured]:
    """Time contenders in turns: after one untimed warm-up each, A, B, A, B, ... `repeats` times.

    Args:
        contenders: work by name. A worker process gives the seconds that it measured itself.
        repeats: turns of each.
        memory: also what memory each turn adds; it slows short turns.
    """
    measured = {name: Measured(name) for name in contenders}
    for work in contenders.values():
        work()
    for _ in range(repeats):
        for name, work in contenders.items():
            measured[name].add(take_turn(work, memory=memory))
    return measured


def take_turn(work: Contender, *, memory: bool = False) -> Turn:
    """Seconds and memory of one piece of work in this process, or what `work` says of its own process."""
    if memory:
        forget_peak()
    before, cpu, wall = memory_mb(RESIDENT), time.process_time(), time.perf_counter()
    own = work()
    seconds = time.process_time() - cpu, time.perf_counter() - wall
    peak = memory_mb(PEAK)
    return own or Turn(*seconds, peak, max(0.0, peak - before) if memory else 0.0)


def forget_peak() -> None:
    """Hand freed memory back and let the process's peak start anew, where the system can."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def memory_mb(kind: str) -> float:
    """A line of /proc/self/status, in MB; NaN on systems without it."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return float("nan")
    return int(status.partition(f"{kind}:")[2].split()[0]) / 1024


def gigaflops(forward: Callable[[], object]) -> float:
    """Billions of operations in PyTorch's matrix products and convolutions, a multiply-add being two."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        forward()
    return counter.get_total_flops() / 1e9


def spread(values: Sequence[float]) -> str:
    """Median and range, such as "1.20 (1.10 to 1.31)"."""
    return f"{number(statistics.median(values))} ({number(min(values))} to {number(max(values))})"


def steadiness(measured: Iterable[Measured]) -> str:
    """A sentence on how far the turns of each contender are apart."""
    ranges = [(max(one.cpu) - min(one.cpu)) / one.cpu_seconds for one in measured]
    return (
        f"The CPU seconds of a contender's turns spread over {statistics.median(ranges):.0%} of their "
        f"median, {max(ranges):.0%} at most."
    )


def number(value: float) -> str:
    """Three significant digits, or all before the point; "-" for NaN."""
    if value != value:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def markdown(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> str:
    """A Markdown table.

    Args:
        rows: cells in the order of `columns`; floats are written with three digits, None as an empty cell.
        columns: headings; the first column is set left, the others right.
    """

    def cell(value: object) -> str:
        return "" if value is None else number(value) if isinstance(value, float) else str(value)

    lines = [
        columns,
        ["---"] + ["---:"] * (len(columns) - 1),
        *([cell(value) for value in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """A line on the processor, the cores in use, the versions, the load and the date."""
    found = [f"{name} {installed}" for name in PACKAGES if (installed := _version(name))]
    load = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    return (
        f"{_processor()}, {_cores()} cores, Python {platform.python_version()}, {', '.join(found)}, {load}, "
        f"{date.today().isoformat()}"
    )


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str | None:
    with suppress(PackageNotFoundError):
        return version(package)
    return None
