"""What other light and another place do to good and defective images, with and without `fit --tolerate`.

    python benchmarks/tolerance.py mvtec/screw metal --tolerate none light place --out tolerance.jsonl

Data: folders in the MVTec layout with square pictures, or a drawn texture: metal, fabric, ceramic. A fifth of
the good training images is held out before fitting; held-out and test images are then scored as they are and
changed. Shifts and turns mirror the border. Each fit is some lines of the JSONL file; one that is there is
not repeated.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any, get_args

import numpy as np
from timing import markdown

import blemish
from blemish.datasets import Dataset, Sample, read_dataset
from blemish.datasets.drawn import Texture, generate
from blemish.datasets.loading import load_rows
from blemish.evaluation.metrics import auroc
from blemish.images.changes import Change, brighten, move
from blemish.inference.detector import Detector
from blemish.inference.scoring import BATCH_SIZE, score_images

HELD_OUT = 5  # one of this many good images
RATES = (0.01, 0.05)
SHIFTS = ((0.05, 0.0), (-0.05, 0.0), (0.0, 0.05), (0.0, -0.05))  # in turn
UNCHANGED = "as they are"
CHANGES: dict[str, list[Change]] = {
    UNCHANGED: [lambda picture: picture],
    **{
        f"brightness x {factor}": [lambda picture, factor=factor: brighten(picture, factor)]
        for factor in (0.75, 0.85, 1.15, 1.25)
    },
    "shifted 5 %": [lambda picture, shift=shift: move(picture, *shift) for shift in SHIFTS],
    "turned 5 degrees": [lambda picture, turn=turn: move(picture, 0, 0, turn) for turn in (5, -5)],
    "turned 90 degrees": [lambda picture: np.ascontiguousarray(np.rot90(picture))],
}


def some(samples: list[Sample], most: int) -> list[Sample]:
    """At even distances."""
    return samples[:: -(-len(samples) // most)]


def dataset(name: str, most: int, folder: Path) -> tuple[Dataset, list[Sample]]:
    """At most so many images of each kind, and the held-out good ones."""
    if name in get_args(Texture):
        root = folder / name
        name = str(root if root.exists() else generate(root, texture=name, train=120, test=20))
    data = read_dataset(name)
    learn = [sample for number, sample in enumerate(data.train) if number % HELD_OUT]
    good, bad = ([one for one in data.test if bool(one.label) is label] for label in (False, True))
    few = Dataset(data.name, some(learn, most), [*some(good, most // 4), *some(bad, most // 4)])
    return few, some(data.train[::HELD_OUT], most // 4)


def measure(
    detector: Detector, data: Dataset, held_out: list[Sample], changes: list[str]
) -> list[dict[str, Any]]:
    """One line for each change, of the held-out and the test images."""
    rows = load_rows([*data.test, *held_out], detector.frame)
    pictures = rows.images
    bad = np.array([bool(sample.label) for sample in rows.samples])
    tested = np.array([sample in data.test for sample in rows.samples])
    spread, first, lines = detector.calibration.scores.std(), None, []
    for change in [UNCHANGED, *changes]:
        ways = CHANGES[change]
        changed = [ways[number % len(ways)](picture) for number, picture in enumerate(pictures)]
        scored = score_images(detector.engine, detector.frame, changed, BATCH_SIZE)
        scores = np.array([score for score, _ in scored])
        first = scores if first is None else first
        alarms = [detector.calibration.with_rate(rate).is_anomalous(scores) for rate in RATES]
        lines.append(
            {
                "change": change,
                "image_auroc": 100 * auroc(scores[tested], bad[tested]),
                "false_alarms": [100 * float(alarm[~bad].mean()) for alarm in alarms],
                "found": [100 * float(alarm[bad].mean()) for alarm in alarms],
                "spreads": float(np.median((scores - first)[~bad]) / spread),
            }
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--tolerate", nargs="+", default=["none", "light", "place", "light,place"])
    parser.add_argument("--changes", nargs="+", default=list(CHANGES)[1:], choices=list(CHANGES)[1:])
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--weights", help="ImageNet weights of the backbone")
    parser.add_argument("--most", type=int, default=1000, help="good images to learn from; a quarter to test")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()

    rows = (
        [json.loads(line) for line in arguments.out.read_text().splitlines()]
        if arguments.out.exists()
        else []
    )
    settings = {"backbone": arguments.backbone, "most": arguments.most}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.data:
            data, held_out = dataset(name, arguments.most, Path(folder))
            for tolerate in arguments.tolerate:
                key = {"data": data.name, "tolerate": tolerate} | settings
                if any(key.items() <= row.items() for row in rows):
                    continue
                detector = blemish.fit(
                    data,
                    out=Path(folder) / "model.safetensors",
                    backbone=arguments.backbone,
                    weights=arguments.weights,
                    tolerate=None if tolerate == "none" else tolerate,
                )
                cost = {
                    "seconds": detector.metadata["training"]["summary"]["seconds"],
                    "megabytes": round((Path(folder) / "model.safetensors").stat().st_size / 1e6),
                }
                new = [key | line | cost for line in measure(detector, data, held_out, arguments.changes)]
                rows += new
                with arguments.out.open("a") as file:
                    file.writelines(json.dumps(row) + "\n" for row in new)
    print_table([row for row in rows if settings.items() <= row.items()])


def print_table(rows: list[dict[str, Any]]) -> None:
    cells = [
        [
            f"{row['data']}, tolerate {row['tolerate']}: {row['change']}",
            f"{row['image_auroc']:.1f}",
            *(f"{one:.0f} / {other:.0f}" for one, other in (row["false_alarms"], row["found"])),
            f"{row['spreads']:+.1f}",
        ]
        for row in rows
    ]
    header = ["", "image AUROC", "false alarms at 1 / 5 %", "found at 1 / 5 %", "median change in spreads"]
    print(markdown(cells, header))


if __name__ == "__main__":
    main()
