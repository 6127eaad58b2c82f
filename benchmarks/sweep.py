"""A sweep of short trainings with one worker and with two, in local processes and on Ray.

    python benchmarks/sweep.py --epochs 3

Draws a data set of 100 good parts, measures the six rows of GTrans's table 5 on it with EfficientNet-Lite0,
and checks that every result is the same, to the last digit. Prints a Markdown table; "times" is against one
worker in the same place.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import machine, markdown

from blemish.datasets.drawn import generate

PLACES = ("local", "ray")


def sweep(folder: Path, out: Path, place: str, workers: int, epochs: int) -> float:
    """Wall seconds of the whole command."""
    words = ["reproduce", "gtrans-5", "--data", str(folder), "--categories", "screw", "--out", str(out)]
    words += ["--backbone", "efficientnet_lite0", "--epochs", str(epochs)]
    words += ["--on", place, "--workers", str(workers), "--quiet"]
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "blemish", *words], check=True, capture_output=True)
    return time.perf_counter() - start


def contents(store: Path) -> list[tuple[str, object, object]]:
    """What a sweep has measured, without the seconds that it took."""
    results = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(store.glob("*.json"))]
    return [(one["fingerprint"], one["measured"], one["images"]) for one in results]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate(folder / "screw", train=100, test=10, size=256)
        seconds, results = {}, []
        for place in PLACES:
            for workers in arguments.workers:
                out = folder / f"{place}-{workers}"
                seconds[place, workers] = sweep(folder, out, place, workers, arguments.epochs)
                results.append(contents(out / "results"))
    assert all(one == results[0] for one in results), "the results differ"
    table = [
        [place, str(workers), wall, seconds[place, arguments.workers[0]] / wall]
        for (place, workers), wall in seconds.items()
    ]
    print(f"6 trainings of {arguments.epochs} epochs; {machine()}\n")
    print(markdown(table, ["place", "workers", "wall seconds", "times"]))
    print(f"\nAll {len(results[0])} results are the same in all of them, to the last digit.")


if __name__ == "__main__":
    main()
