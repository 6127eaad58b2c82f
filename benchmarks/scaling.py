"""Prediction on Ray with one worker and with two, against a plain one: whole commands, in turns.

    python benchmarks/scaling.py parts.onnx --images 2000

Draws the images (256 x 256 PNG). Each worker has one core, and so has the plain prediction's engine; its
files are decoded with all cores. The start is the wall time of the same command for one image, and images/s
are of the rest. Prints a Markdown table; "times" is against one worker.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from timing import Turn, alternate, machine, markdown, spread

from blemish.datasets.drawn import generate

UNKNOWN = float("nan")
PLAIN = "blemish predict --threads 1"
ON_RAY = "blemish predict --on ray --workers {}"


def command(*arguments: str | Path) -> Turn:
    """A turn of a whole process; what Ray's own processes use is not known here."""
    start = time.perf_counter()
    program = [sys.executable, "-m", "blemish", "predict", *arguments, "--quiet"]
    subprocess.run(program, check=True, capture_output=True)
    return Turn(UNKNOWN, time.perf_counter() - start, UNKNOWN, UNKNOWN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL", help="an .onnx file")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder, model = Path(name), arguments.model
        drawn = generate(folder / "parts", train=arguments.images, test=1, size=256) / "train" / "good"
        image, rows = next(drawn.iterdir()), folder / "rows.parquet"
        options: dict[str, list[str]] = {PLAIN: ["--threads", "1"]}
        for workers in arguments.workers:
            options[ON_RAY.format(workers)] = ["--on", "ray", "--workers", str(workers)]
        contenders = {}
        for what, given in options.items():
            contenders[what] = partial(command, model, drawn, "--parquet", rows, *given)
            contenders[f"{what}, one image"] = partial(command, model, image, "--parquet", rows, *given)
        measured = alternate(contenders, arguments.repeats)
        bytes_a_row = rows_size(model, drawn, rows) / arguments.images

    seconds = {what: measured[what].wall_seconds for what in options}
    start = {what: measured[f"{what}, one image"].wall_seconds for what in options}
    work = {what: seconds[what] - start[what] for what in options}
    first = ON_RAY.format(arguments.workers[0])
    table = [
        [
            f"`{what}`",
            spread(measured[what].wall),
            start[what],
            arguments.images / work[what],
            seconds[first] / seconds[what],
            work[first] / work[what],
        ]
        for what in options
    ]
    print(f"{arguments.images} PNG files of 256 x 256; {machine()}\n")
    columns = ["command", "wall seconds", "of these the start", "images/s after it"]
    print(markdown(table, [*columns, "times, all", "times, after the start"]))
    print(f"\n{bytes_a_row:.1f} bytes of Parquet a row.")


def rows_size(model: Path, images: Path, rows: Path) -> int:
    command(model, images, "--parquet", rows)
    return rows.stat().st_size


if __name__ == "__main__":
    main()
