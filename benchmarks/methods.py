"""Scoring speed of several exported models of ours in turns, each in its own frame, on one thread.

    python benchmarks/methods.py rad.onnx rad-int8.onnx padim.onnx --images screw/test/good

From decoded images to scores and maps, in batches of 8. "Times" is the speed against the first model, by CPU
seconds.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from timing import alternate, machine, markdown, steadiness

import blemish
from blemish.images.finding import find_images
from blemish.images.reading import load_frame

BATCH = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help=".onnx files")
    parser.add_argument("--images", type=Path, required=True, help="a folder with at least 8 images")
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    files = find_images(arguments.images)[:BATCH]
    contenders = {}
    for path in arguments.models:
        detector = blemish.load(path, threads=1)
        frames = np.stack([load_frame(file, detector.frame) for file in files])
        contenders[str(path)] = partial(score, detector, frames)
    measured = alternate(contenders, arguments.repeats)
    first = next(iter(measured.values())).cpu_seconds
    rows = [
        [
            path,
            len(files) / turns.cpu_seconds,
            1000 * turns.cpu_seconds / len(files),
            first / turns.cpu_seconds,
            Path(path).stat().st_size / 1e6,
        ]
        for path, turns in measured.items()
    ]
    print(machine(), "\n")
    print(markdown(rows, ("model", "images/s", "CPU ms an image", "times", "MB")))
    print(f"\n{steadiness(measured.values())}")


def score(detector: blemish.Detector, frames: np.ndarray) -> None:
    detector.engine(frames)


if __name__ == "__main__":
    main()
