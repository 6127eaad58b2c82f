"""Image AUROC of the reconstructing GANs with one class held out: methods x classes x seeds.

    python benchmarks/one_class.py cifar10/ --classes cat frog ship --out results.jsonl

Each run is one line of the JSONL file; a run that is there already is not repeated. The weights of the last
epoch are scored with running BatchNorm statistics; nothing is chosen by the test set.
"""

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import blemish

METHODS = ("anotrans", "ganomaly", "skip_ganomaly", "sagan")


def measure(arguments: argparse.Namespace, method: str, held_out: str, seed: int) -> dict[str, Any]:
    """Fit and evaluate one model; its row of the table."""
    keep = arguments.keep / f"{method}-{held_out}-{seed}.safetensors" if arguments.keep else None
    detector = blemish.fit(
        arguments.data,
        held_out=held_out,
        out=keep,
        method=method,
        seed=seed,
        epochs=arguments.epochs,
        assignments=(f"frame.resize={arguments.size}", f"training.batch_size={arguments.batch}"),
    )
    evaluation = blemish.evaluate(detector, arguments.data, held_out=held_out)
    summary = detector.metadata["training"]["summary"]
    return {
        "method": method,
        "held_out": held_out,
        "seed": seed,
        "epochs": arguments.epochs,
        "size": arguments.size,
        "batch": arguments.batch,
        "auroc": evaluation.image["auroc"],
        "validation_loss": summary["validation_loss"],
        "seconds": summary["seconds"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder of class folders, cifar10 or stl10")
    parser.add_argument("--classes", nargs="+", required=True)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--keep", type=Path, help="folder for the model files")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()

    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    rows = [json.loads(line) for line in lines]
    settings = {key: getattr(arguments, key) for key in ("epochs", "size", "batch")}
    rows = [row for row in rows if settings.items() <= row.items()]
    done = {(row["method"], row["held_out"], row["seed"]) for row in rows}
    for seed in arguments.seeds:
        for held_out in arguments.classes:
            for method in arguments.methods:
                if (method, held_out, seed) in done:
                    continue
                row = measure(arguments, method, held_out, seed)
                rows.append(row)
                with arguments.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(row, flush=True)
    print(f"{'method':15}" + "".join(f"{name:>18}" for name in arguments.classes))
    for method in arguments.methods:
        cells = []
        for held_out in arguments.classes:
            found = [r["auroc"] for r in rows if (r["method"], r["held_out"]) == (method, held_out)]
            spread = statistics.stdev(found) if len(found) > 1 else float("nan")
            cells.append(f"{statistics.mean(found):.3f} +- {spread:.3f}" if found else "")
        print(f"{method:15}" + "".join(f"{cell:>18}" for cell in cells))


if __name__ == "__main__":
    main()
