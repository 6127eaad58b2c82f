"""Asked against observed false-alarm rate where every good image calibrates while it is left out (RAD).

Fits drawn good images with the default method and counts alarms among new ones. Run:

    python benchmarks/leave_one_out.py --seeds 3
"""

import argparse
import tempfile
from pathlib import Path
from typing import get_args

import numpy as np
from timing import markdown

import blemish
from blemish.datasets.drawn import Texture, generate

RATES = (0.01, 0.05, 0.1)
TRAIN, NEW, SIZE = 100, 300, 128


def false_alarms(texture: Texture, seed: int, folder: Path) -> list[float]:
    """The share of new good images that alarm, at each of the rates."""
    good = generate(folder / "good", texture=texture, train=TRAIN, test=1, seed=2 * seed, size=SIZE)
    new = generate(folder / "new", texture=texture, train=NEW, test=1, seed=2 * seed + 1, size=SIZE)
    detector = blemish.fit(good, assignments=[f"frame.resize={SIZE}"], seed=seed)
    scores = np.array([result.score for result in detector.predict_many(sorted(new.glob("train/good/*")))])
    return [float(detector.calibration.with_rate(rate).is_anomalous(scores).mean()) for rate in RATES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    for texture in get_args(Texture):
        found = []
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as folder:
                found.append(false_alarms(texture, seed, Path(folder)))
        rows.append([texture, *(f"{mean:.1%}" for mean in np.mean(found, axis=0))])
    print(f"{arguments.seeds} fits of {TRAIN} images each, {NEW} new ones\n")
    print(markdown(rows, ["", *(f"asked {rate:.0%}" for rate in RATES)]))


if __name__ == "__main__":
    main()
