"""Metrics of images and pixels: ours against scikit-learn and anomalib on the same maps with round defects.

    python benchmarks/metrics.py --images 100 --size 256
    python benchmarks/metrics.py --images 1000 --ours

Checks that all agree, then prints a Markdown table: CPU and wall seconds (median of turns) and the resident
memory that a turn adds to the maps and masks. The image score is its map's largest value.
"""

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from peers import Peer
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from timing import Contender, alternate, machine, markdown, steadiness

from blemish.evaluation.metrics import aupro, image_metrics, pixel_metrics

ALL = "blemish: images and pixels, AUROC, AP, F1-max, AUPRO 0.3 and 0.05"


def test_set(images: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Random maps and masks; two in three images have one to four round defects that score higher."""
    rng = np.random.default_rng(seed)
    maps = np.empty((images, size, size), np.float32)
    masks = np.zeros(maps.shape, bool)
    rows, columns = np.ogrid[:size, :size]
    for index in range(images):
        maps[index] = rng.gamma(2, 1, (size, size))
        for _ in range(rng.integers(1, 5) if index % 3 else 0):
            y, x, radius = rng.integers(size), rng.integers(size), rng.uniform(size / 50, size / 10)
            masks[index] |= (rows - y) ** 2 + (columns - x) ** 2 < radius**2
    maps[masks] += 1.5
    return maps, masks


def everything(maps: np.ndarray, masks: np.ndarray) -> None:
    image_metrics(maps.max(axis=(1, 2)), masks.any(axis=(1, 2)))
    pixel_metrics(maps, masks)


def f1_max(labels: np.ndarray, scores: np.ndarray) -> float:
    """The largest F1 of scikit-learn's curve."""
    precision, recall, _ = precision_recall_curve(labels, scores)
    return float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)))


def others(maps: np.ndarray, masks: np.ndarray) -> dict[str, Callable[[], float]]:
    """scikit-learn's metrics by our names."""
    scores, labels = maps.ravel(), masks.ravel()
    return {
        "auroc": partial(roc_auc_score, labels, scores),
        "ap": partial(average_precision_score, labels, scores),
        "f1_max": partial(f1_max, labels, scores),
    }


def silent(work: Callable[[], object]) -> Contender:
    return lambda: (work(), None)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ours", action="store_true", help="measure only blemish")
    arguments = parser.parse_args()

    maps, masks = test_set(arguments.images, arguments.size, arguments.seed)
    contenders: dict[str, Contender] = {
        ALL: lambda: everything(maps, masks),
        "blemish: AUPRO 0.3 alone": silent(partial(aupro, maps, masks)),
    }
    with ExitStack() as stack:
        if not arguments.ours:
            ours = pixel_metrics(maps, masks)
            for name, work in others(maps, masks).items():
                assert abs(ours[name] - work()) < 1e-6, f"scikit-learn finds another {name}"
                contenders[f"scikit-learn: pixel {name}"] = silent(work)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            np.savez(folder / "arrays.npz", maps=maps, masks=masks)
            peer = stack.enter_context(Peer(folder / "peer.log"))
            for name, field in {"auroc": "auroc", "f1_max": "f1_max", "aupro": "aupro_30"}.items():
                command = {"name": name, "file": str(folder / "arrays.npz")}
                value = peer.ask("metric", **command)["value"]
                print(f"pixel {name}: blemish {ours[field]:.6f}, anomalib {value:.6f}")
                contenders[f"anomalib: pixel {name}"] = peer.turns("metric", **command)
        measured = alternate(contenders, arguments.repeats, memory=True)

    base = measured[ALL]
    rows = [
        [name, one.cpu_seconds, one.wall_seconds, one.cpu_seconds / base.cpu_seconds, one.extra_mb]
        for name, one in measured.items()
    ]
    size = f"{arguments.images} maps of {arguments.size} x {arguments.size}"
    megabytes = (maps.nbytes + masks.nbytes) / 2**20
    print(f"\n{size}, {masks.mean():.1%} defective, {megabytes:.0f} MB with their masks; {machine()}\n")
    print(markdown(rows, ["what", "CPU seconds", "wall seconds", "times ours", "extra MB"]))
    print(f"\n{steadiness(measured.values())}")


if __name__ == "__main__":
    main()
