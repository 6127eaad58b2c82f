"""What each idea behind GTrans's preset "improved" does, and how far the training-free methods get.

    python benchmarks/ideas.py mvtec/screw elpv-poly fabric --weights resnet18.safetensors --out ideas.jsonl

Data: folders, elpv-mono and elpv-poly (package elpv-dataset), or a drawn texture: metal, fabric, ceramic.
Each fit is one or more lines of the JSONL file; a fit that is there already is not repeated. Maps that differ
only in scoring are made of the same weights. No threshold counts here. What the preset holds was chosen by
such tables, that is with a look at test images.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any, get_args

import blemish
from blemish.datasets import Dataset, read_dataset
from blemish.datasets.drawn import Texture, generate
from blemish.datasets.elpv import elpv
from blemish.inference.detector import Detector
from blemish.inference.engines.torch import TorchEngine
from blemish.inference.model_file import Metadata
from blemish.models.gtrans.config import GTransConfig
from blemish.models.gtrans.model import GTrans

CENTRE = ("frame.resize=256", "frame.crop=224")  # what the tables were measured with

# name: what `blemish.fit` is told
FITS: dict[str, dict[str, Any]] = {
    "rad": {"method": "rad"},
    "rad, 20 images": {"method": "rad", "assignments": ("model.neighbours=20",)},
    "rad, no coreset": {"method": "rad", "assignments": ("model.memory=1",)},
    "patchcore": {"method": "patchcore", "preset": "paper"},
    "patchcore, whole images": {"method": "patchcore"},
    "padim": {"method": "padim", "preset": "paper"},
    "spade": {"method": "spade", "preset": "paper"},
    "with-memory": {"preset": "with-memory"},
    "improved": {"preset": "improved", "assignments": CENTRE},
    "improved, whole images": {"preset": "improved"},
    "paper": {"preset": "paper"},
    "large batches": {
        "preset": "improved",
        "assignments": (
            *CENTRE,
            "training.batch_size=32",
            "training.schedule=exponential",
            "training.learning_rate=0.001",
        ),
    },
    "teacher's tokens": {"preset": "improved", "assignments": (*CENTRE, "model.tfm=encoder-decoder")},
    "no tokens": {"preset": "improved", "assignments": (*CENTRE, "model.tfm=none")},
    "no damage": {"preset": "improved", "assignments": (*CENTRE, "model.damage=0")},
}
# scorings of the same weights, beside their own
SCORINGS: dict[str, dict[str, dict[str, Any]]] = {
    "improved": {
        "centred": {"centre": True},
        "paper's map, alpha fixed": {"standardise": False, "combine": "P6"},
        "paper's map": {"standardise": False, "combine": "P6", "alpha": "harmonic"},
    },
    "paper": {"alpha fixed": {"alpha": "fixed"}},
}


def dataset(name: str, folder: Path) -> Dataset:
    """A data set by the name it has on the command line."""
    if name in ("elpv-mono", "elpv-poly"):
        return elpv("mono" if name == "elpv-mono" else "poly")
    if name in get_args(Texture):
        root = folder / name
        return read_dataset(root if root.exists() else generate(root, texture=name))
    return read_dataset(name)


def rescored(detector: Detector, fields: dict[str, Any]) -> Detector:
    """The same weights under a model configuration with other values."""
    original = detector.engine.model
    config = GTransConfig.model_validate(original.config.model_dump() | fields)
    model = GTrans(config, original.image_shape)
    model.load_state_dict(original.state_dict(), strict=False)  # statistics may be left over
    return Detector(TorchEngine(model), Metadata.model_validate(dict(detector.metadata)))


def measure(detector: Detector, data: Dataset) -> dict[str, Any]:
    """Accuracy on the test images, in percent."""
    evaluation = blemish.evaluate(detector, data)
    pixel = evaluation.pixel or {}
    found = {
        "image_auroc": evaluation.image["auroc"],
        "pixel_auroc": pixel.get("auroc"),
        "aupro": pixel.get("aupro_30"),
    }
    rounded = {key: value and round(100 * value, 2) for key, value in found.items()}
    speed = len(evaluation.images) / evaluation.seconds
    return rounded | {"images_per_second": round(speed, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--fits", nargs="+", default=list(FITS), choices=list(FITS))
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--weights", help="ImageNet weights of the backbone")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1))
    parser.add_argument("--epochs", type=int, help="of what is trained, in place of the preset's")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()

    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    rows = [json.loads(line) for line in lines]
    settings = {"backbone": arguments.backbone, "epochs": arguments.epochs}
    rows = [row for row in rows if settings.items() <= row.items() and row["seed"] in arguments.seeds]
    with tempfile.TemporaryDirectory() as folder:
        for seed in arguments.seeds:
            for name in arguments.data:
                for fit in arguments.fits:
                    key = {"data": Path(name).name, "fit": fit, "seed": seed} | settings
                    if any(key.items() <= row.items() for row in rows):
                        continue
                    data = dataset(name, Path(folder))
                    trained = FITS[fit].get("method", "gtrans") == "gtrans"
                    detector = blemish.fit(
                        data,
                        backbone=arguments.backbone,
                        weights=arguments.weights,
                        seed=seed,
                        epochs=arguments.epochs if trained else None,
                        **{"method": "gtrans"} | FITS[fit],
                    )
                    summary = detector.metadata["training"]["summary"]
                    cost = {"seconds": summary["seconds"], "peak_memory_mb": summary["peak_memory_mb"]}
                    detectors = {"": detector}
                    for scoring, fields in SCORINGS.get(fit, {}).items():
                        detectors[scoring] = rescored(detector, fields)
                    new = [
                        key | {"scoring": scoring} | measure(one, data) | cost
                        for scoring, one in detectors.items()
                    ]
                    rows += new
                    with arguments.out.open("a") as file:
                        file.writelines(json.dumps(row) + "\n" for row in new)
                    print(*new, sep="\n", flush=True)
    print_table(rows, arguments.data)


def print_table(rows: list[dict[str, Any]], data: list[str]) -> None:
    """Image AUROC / AUPRO in percent, mean over seeds, as Markdown."""
    names = [Path(name).name for name in data]
    print(f"| | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for fit, scoring in dict.fromkeys((row["fit"], row["scoring"]) for row in rows):
        cells = []
        for name in names:
            found = [r for r in rows if (r["fit"], r["scoring"], r["data"]) == (fit, scoring, name)]
            numbers = [[r[key] for r in found if r[key] is not None] for key in ("image_auroc", "aupro")]
            cells.append(" / ".join(f"{statistics.mean(values):.1f}" for values in numbers if values))
        print(f"| {fit}{scoring and ': ' + scoring} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
