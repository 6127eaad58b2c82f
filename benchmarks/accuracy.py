"""Methods as `blemish fit` has them unasked, and anomalib's on the same images: accuracy and cost.

    python benchmarks/accuracy.py elpv-mono mvtec/screw --methods rad gtrans padim
    python benchmarks/accuracy.py mvtec/screw --backbone resnet18 --weights FILE --peers padim

DATA is elpv-mono, elpv-poly, a texture of the drawn parts, or a folder in the MVTec layout. anomalib's
methods have its own defaults but for backbone and weights; AUROC and AUPRO are computed by the same code.
Times are CPU seconds of all threads, files included.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ideas import dataset
from peers import Peer
from timing import machine, markdown

import blemish
from blemish.datasets.loading import load_mask
from blemish.datasets.sample import Dataset
from blemish.evaluation.metrics import image_metrics, pixel_metrics
from blemish.images.frame import Frame
from blemish.images.reading import mask_to_frame

PEERS = ("patchcore", "padim")


def ours(data: Dataset, label: str, options: dict[str, Any]) -> dict[str, Any]:
    """One fit and evaluation of "method" or "method:preset"."""
    method, _, preset = label.partition(":")
    start = time.process_time()
    detector = blemish.fit(data, method=method, preset=preset or None, **options)
    fitted = time.process_time()
    for _ in detector.predict_many([sample.path for sample in data.test]):
        pass
    seconds = time.process_time() - fitted
    measured = blemish.evaluate(detector, data)
    return {
        "image": measured.image["auroc"],
        "pixel": measured.pixel and measured.pixel["aupro_30"],
        "fit": fitted - start,
        "score": 1000 * seconds / len(data.test),
    }


def peers(data: Dataset, model: str, peer: Peer, options: dict[str, Any]) -> dict[str, Any]:
    """The same images, given to anomalib."""
    with tempfile.TemporaryDirectory() as folder:
        for part, samples in (("train", data.train), ("test", data.test)):
            for index, sample in enumerate(samples):
                link = Path(folder) / part / f"{index:05}{sample.path.suffix}"
                link.parent.mkdir(exist_ok=True)
                link.symlink_to(sample.path.absolute())
        found = peer.ask("fit_and_score", model=model, folder=folder, **options)
        scored = np.load(found["file"])
    scores, maps = scored["scores"], scored["maps"]
    frame = Frame(resize=maps.shape[-1], crop=None)
    good = np.zeros(maps.shape[1:], bool)
    masks = [
        good if not sample.label else mask_to_frame(load_mask(sample.mask), frame) if sample.mask else None
        for sample in data.test
    ]
    seen = [index for index, mask in enumerate(masks) if mask is not None]
    marked = [masks[index] for index in seen]
    pixel = pixel_metrics([maps[index] for index in seen], marked) if any(map(np.any, marked)) else None
    return {
        "image": image_metrics(scores, np.array([bool(sample.label) for sample in data.test]))["auroc"],
        "pixel": pixel and pixel["aupro_30"],
        "fit": found["fit"],
        "score": 1000 * found["score"] / len(data.test),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+")
    parser.add_argument("--methods", nargs="*", default=["rad"], metavar="METHOD[:PRESET]")
    parser.add_argument("--backbone")
    parser.add_argument("--weights")
    parser.add_argument("--peers", nargs="*", default=[], choices=PEERS, help="anomalib's methods")
    arguments = parser.parse_args()
    if arguments.peers and not (arguments.backbone and arguments.weights):
        parser.error("--peers needs --backbone and --weights")
    options = {"backbone": arguments.backbone, "weights": arguments.weights}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.data:
            data, rows = dataset(name, Path(folder)), {}
            for label in arguments.methods:
                rows[f"blemish {label}"] = ours(data, label, options)
                print(name, label, rows[f"blemish {label}"], flush=True)
            if arguments.peers:
                with Peer(Path(folder) / "peer.log") as peer:
                    for model in arguments.peers:
                        rows[f"anomalib {model}"] = peers(data, model, peer, options)
                        print(name, model, rows[f"anomalib {model}"], flush=True)
            table = [
                [label, 100 * row["image"], row["pixel"] and 100 * row["pixel"], row["fit"], row["score"]]
                for label, row in rows.items()
            ]
            columns = [data.name, "image AUROC, %", "AUPRO, %", "fit, CPU s", "score, CPU ms an image"]
            print(f"\n{markdown(table, columns)}\n", flush=True)
    print(machine())


if __name__ == "__main__":
    main()
