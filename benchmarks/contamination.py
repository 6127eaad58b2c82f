"""Defects among the good images: nothing done, --contamination, and check's suspects excluded.

Of each data set in the MVTec layout, 80 good training images are kept out to count false alarms on, and some
defective test images are mixed into the others; the rest is measured on. Run:

    python benchmarks/contamination.py mvtec/bottle mvtec/screw --seeds 1
"""

import argparse
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from timing import markdown

import blemish
from blemish.datasets import Dataset, Sample, read_dataset
from blemish.evaluation.metrics import auroc

RATE, KEPT_OUT = 0.05, 80
SHARES = (0.0, 0.02, 0.05, 0.1)


class Mixed(NamedTuple):
    """Images to learn from, defects among them; good ones that nothing learns from; what is left to find."""

    data: Dataset
    defects: set[str]
    new: list[Path]


def mix(whole: Dataset, share: float, seed: int) -> Mixed:
    """Make defects that share of the images to learn from."""
    rng = random.Random(seed)
    good, bad = list(whole.train), [sample for sample in whole.test if sample.label]
    rng.shuffle(good)
    rng.shuffle(bad)
    count = round(share * (len(good) - KEPT_OUT) / (1 - share))
    learned = sorted([*good[KEPT_OUT:], *(Sample(one.path, 0) for one in bad[:count])], key=str)
    test = [sample for sample in whole.test if not sample.label] + bad[count:]
    return Mixed(
        replace(whole, train=learned, test=test),
        {str(one.path) for one in bad[:count]},
        [one.path for one in good[:KEPT_OUT]],
    )


def measured(mixed: Mixed, detector: blemish.Detector) -> list[str]:
    """AUROC, share of defects found and false alarms among images kept out of training."""
    of_test = list(detector.predict_many([sample.path for sample in mixed.data.test]))
    labels = np.array([sample.label for sample in mixed.data.test])
    scores = np.array([result.score for result in of_test])
    found = np.mean([bool(one.is_anomalous) for one, label in zip(of_test, labels, strict=True) if label])
    alarms = np.mean([bool(one.is_anomalous) for one in detector.predict_many(mixed.new)])
    return [f"{100 * auroc(scores, labels):.1f}", f"{100 * found:.0f}", f"{100 * alarms:.1f}"]


def rows_of(whole: Dataset, share: float, seed: int, folder: Path) -> list[list[str]]:
    mixed, listing = mix(whole, share, seed), folder / "suspects.txt"
    check = blemish.check(mixed.data, page=folder / "check.html")
    check.write_suspects(listing)
    top = [row["path"] in mixed.defects for row in check.ranked[: len(mixed.defects)]]
    caught = sum(row["path"] in mixed.defects for row in check.suspects)
    ranked = f"{sum(top)} of {len(top)}; suspects {caught} of {len(check.suspects)}"
    ways: dict[str, dict[str, float | Path]] = {
        "nothing": {},
        "contamination": {"contamination": share or 0.05},
        "suspects excluded": {"exclude": listing},
    }
    rows = []
    for way, options in ways.items():
        detector = blemish.fit(mixed.data, false_alarm_rate=RATE, seed=seed, **options)  # type: ignore[arg-type]
        rows.append([whole.name, f"{share:.0%}", str(seed), way, *measured(mixed, detector), ranked])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", help="folders in the MVTec layout")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for source in arguments.data:
            whole = read_dataset(source)
            for share in SHARES:
                for seed in range(arguments.seeds):
                    rows += rows_of(whole, share, seed, Path(folder))
    head = ["", "defects", "seed", "done", "AUROC", f"found at {RATE:.0%}", "false alarms", "true among top"]
    print(markdown(rows, head))


if __name__ == "__main__":
    main()
