"""A long stream of images: does memory stay where it is, and is every bad file told?

    python benchmarks/stream.py --images 100000

Judges a few small files over and over, every seventh of them damaged, as `blemish predict --csv` does, with
an engine that costs next to nothing, so that the stream itself is measured. Prints a Markdown table.
"""

import argparse
import csv
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image
from timing import RESIDENT, machine, markdown, memory_mb

from blemish.calibration import Calibration
from blemish.images.frame import Frame
from blemish.inference.detector import Detector
from blemish.inference.model_file import Metadata
from blemish.inference.outputs import Outputs, predict_to_files

SIZE, FILES, BAD = 64, 50, 7
POINTS = (1_000, 10_000, 50_000, 100_000, 500_000, 1_000_000)


class Brightness:
    """An engine whose map is the green channel."""

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        maps = images[..., 1].astype(np.float32)
        return maps.max(axis=(1, 2)), maps

    def explain(self, images: np.ndarray) -> None:
        pass


def detector() -> Detector:
    """A calibrated stub."""
    calibration = Calibration(np.arange(100.0, 200.0), 0.05)
    metadata = Metadata(
        method="brightness",
        config={},
        frame=Frame(resize=SIZE, crop=SIZE),
        calibration=calibration.to_dict(),
        map_peaks=calibration.scores.tolist(),
        teacher="",
        training={},
        data={},
    )
    return Detector(Brightness(), metadata)


def write_files(folder: Path) -> list[str]:
    """Noise, and in every seventh place half of a file."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{number:03}.png" for number in range(FILES)]
    for number, path in enumerate(paths):
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(path)
        if number % BAD == 0:
            path.write_bytes(path.read_bytes()[:2000])
    return list(map(str, paths))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--overlays", action="store_true", help="also write a picture of each image")
    args = parser.parse_args()

    rows: list[tuple[object, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        paths, out = write_files(Path(folder)), Path(folder) / "rows.csv"
        start, done, expected = time.perf_counter(), 0, 0

        def given() -> Iterator[str]:
            yield from islice(cycle(paths), args.images)

        def advance() -> None:
            nonlocal done, expected
            expected += done % FILES % BAD == 0
            done += 1
            if done in POINTS or done == args.images:
                seconds = time.perf_counter() - start
                rows.append((f"{done:,}", f"{expected:,}", memory_mb(RESIDENT), done / seconds))

        counts = predict_to_files(
            detector(),
            given(),
            Outputs(csv=out, overlays=Path(folder) / "overlays" if args.overlays else None),
            batch_size=args.batch_size,
            advance=advance,
        )
        with out.open(encoding="utf-8", newline="") as file:
            told = sum(bool(row["error"]) for row in csv.DictReader(file))
    print(machine(), "\n")
    print(markdown(rows, ("images", "bad files among them", "memory (MB)", "images/s")))
    print(f"\nBad files: {expected:,} given, {counts['errors']:,} counted, {told:,} rows with an error.")


if __name__ == "__main__":
    main()
