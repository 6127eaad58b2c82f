"""Pixel metrics: ours against scikit-learn on the same random maps with blob-shaped defects.

    python benchmarks/metrics.py --images 100 --size 256

Prints a Markdown table: CPU seconds (median of rounds that alternate between all rows) and peak extra
memory (in a round of its own, traced by Python's allocator).
"""

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from blemish.metrics import aupro, pixel_metrics


def test_set(images: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random maps and masks; two in three images have one to four round defects that score higher."""
    rng = np.random.default_rng(seed)
    maps = rng.gamma(2, 1, (images, size, size)).astype(np.float32)
    masks = np.zeros(maps.shape, bool)
    rows, columns = np.ogrid[:size, :size]
    for index in range(images):
        for _ in range(rng.integers(1, 5) if index % 3 else 0):
            y, x, radius = rng.integers(size), rng.integers(size), rng.uniform(size / 50, size / 10)
            masks[index] |= (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    maps[masks] += 1.5
    return maps, masks


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def extra_megabytes(work: Callable[[], object]) -> float:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    maps, masks = test_set(args.images, args.size, args.seed)
    flat_maps, flat_masks = maps.ravel(), masks.ravel()
    ours = pixel_metrics(maps, masks)
    assert abs(ours["auroc"] - roc_auc_score(flat_masks, flat_maps)) < 1e-9
    assert abs(ours["ap"] - average_precision_score(flat_masks, flat_maps)) < 1e-9

    first = "blemish: AUROC, AP, F1-max, AUPRO 0.3 and 0.05"
    rows: dict[str, Callable[[], object]] = {
        first: lambda: pixel_metrics(maps, masks),
        "blemish: AUPRO 0.3 alone": lambda: aupro(maps, masks),
        "scikit-learn: roc_auc_score": lambda: roc_auc_score(flat_masks, flat_maps),
        "scikit-learn: average_precision_score": lambda: average_precision_score(flat_masks, flat_maps),
    }
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(args.rounds):
        for name, work in rows.items():
            seconds[name].append(cpu_seconds(work))

    print(
        f"{args.images} maps of {args.size}x{args.size}, {masks.mean():.1%} defective, {args.rounds} rounds\n"
    )
    print("| what | CPU seconds | ratio | extra MB | ratio |")
    print("|---|---|---|---|---|")
    base_time, base_memory = statistics.median(seconds[first]), extra_megabytes(rows[first])
    for name, work in rows.items():
        taken, memory = statistics.median(seconds[name]), extra_megabytes(work)
        print(
            f"| {name} | {taken:.2f} | {taken / base_time:.1f} | {memory:.0f} | {memory / base_memory:.1f} |"
        )
    print(f"\nThe maps themselves take {maps.nbytes / 2**20:.0f} MB.")


if __name__ == "__main__":
    main()
