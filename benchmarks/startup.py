"""What a command costs before and beside its work: whole processes of ours and of anomalib, in turns.

    python benchmarks/startup.py parts.onnx

Prints a Markdown table: CPU and wall seconds of a process, median and range, and how many times our CPU
seconds anomalib takes. Its prediction is its import alone, without a model or an image. Each process runs
once before it counts, so that its files are read from memory.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from peers import environment
from timing import Turn, alternate, machine, markdown, spread

from blemish.datasets.drawn import generate

UNKNOWN = float("nan")


def process(command: Sequence[str | Path]) -> Turn:
    """A turn of a whole process, with its own children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Turn(cpu, wall, UNKNOWN, UNKNOWN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL", help="an .onnx file")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    here, there = Path(sys.executable).parent, environment() / "bin"
    with tempfile.TemporaryDirectory() as folder:
        parts = generate(Path(folder) / "parts", train=1, test=1, size=512)
        image = next((parts / "test" / "good").iterdir())
        predict = [here / "blemish", "predict", arguments.model, image]
        inferencer = "from anomalib.deploy import OpenVINOInferencer"
        nothing, other_nothing = ([path / "python", "-c", "pass"] for path in (here, there))
        # ours, then anomalib's nearest
        pairs: list[dict[str, Sequence[str | Path]]] = [
            {
                "blemish --help": [here / "blemish", "--help"],
                "anomalib --help": [there / "anomalib", "--help"],
            },
            {
                "blemish predict --help": [here / "blemish", "predict", "--help"],
                "anomalib predict --help": [there / "anomalib", "predict", "--help"],
            },
            {
                "blemish predict MODEL.onnx IMAGE": predict,
                inferencer: [there / "python", "-c", inferencer],
            },
            {
                "import blemish": [here / "python", "-c", "import blemish"],
                "import anomalib": [there / "python", "-c", "import anomalib"],
            },
            {"python -c pass": nothing, "python -c pass (anomalib's)": other_nothing},
        ]
        contenders = {name: partial(process, command) for pair in pairs for name, command in pair.items()}
        measured = alternate(contenders, arguments.repeats)

    rows = []
    for pair in pairs:
        base = measured[next(iter(pair))].cpu_seconds
        for name in pair:
            one = measured[name]
            rows.append([f"`{name}`", spread(one.cpu), spread(one.wall), one.cpu_seconds / base])
    print(f"{machine()}\n")
    print(markdown(rows, ["process", "CPU seconds", "wall seconds", "times ours"]))


if __name__ == "__main__":
    main()
