"""Prediction over a folder of PNG files, from the files to scores: ours against a plain loop and anomalib.

    python benchmarks/folder.py parts.safetensors parts.onnx parts-int8.onnx

Draws the images (512 x 512). Turns are taken by decoding alone; each model file's engine alone, on decoded
images; `blemish predict --csv` with it (its Python function); a loop as one writes it with PyTorch (Pillow,
torchvision's transforms, batches of 16) around the network of the .safetensors file; and anomalib's STFPM
at the same image size, by `Engine.predict` without pictures (its default is batches of 1) and by
OpenVINOInferencer file by file. Our exported files run with all cores for the engine, and with one. Prints a
Markdown table; "of the engine" is against the line above it, "of the cores" against what their CPU seconds
for decoding and for the engine allow, "times" against anomalib's default.
"""

import argparse
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from peers import Peer
from PIL import Image
from timing import Contender, alternate, machine, markdown, steadiness
from torchvision import transforms

from blemish.datasets.drawn import generate
from blemish.images.frame import Frame
from blemish.images.reading import load_frame
from blemish.inference.detector import BATCH_SIZE, Detector
from blemish.inference.outputs import Outputs, predict_to_files
from blemish.inference.scoring import score_images

DECODING = "blemish, decoding alone"
FIRST = "anomalib STFPM, Engine.predict, batches of 1"


def decode(paths: list[str], frame: Frame) -> list[np.ndarray]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(partial(load_frame, frame=frame), paths))


def plain_loop(network: torch.nn.Module, paths: list[str], frame: Frame) -> list[float]:
    """Scores as a short script would get them."""
    resize = frame.resize if frame.crop else (frame.resize, frame.resize)
    steps = [transforms.Resize(resize), transforms.CenterCrop(frame.size), transforms.PILToTensor()]
    transform, scores = transforms.Compose(steps), []
    with torch.inference_mode():
        for start in range(0, len(paths), BATCH_SIZE):
            images = [
                transform(Image.open(path).convert("RGB")) for path in paths[start : start + BATCH_SIZE]
            ]
            scores += network(torch.stack(images))[0].tolist()
    return scores


def engine_threads(file: Path) -> tuple[int | None, ...]:
    """How many threads an engine is tried with; PyTorch's are the whole process's."""
    return (None,) if file.suffix == ".safetensors" else (None, 1)


def ours(models: list[Path], paths: list[str], folder: Path) -> dict[str, Contender]:
    """Contenders by name; a bare engine's name ends in "engine alone"."""

    def quiet(work: partial) -> Contender:
        return lambda: (work(), None)[1]

    found: dict[str, Contender] = {}
    for model, threads in [(file, threads) for file in models for threads in engine_threads(file)]:
        detector = Detector.load(model, threads=threads)
        frame, name = detector.frame, f"{model.name} with {detector.engine.name}"
        name += f", {threads} thread" if threads else ""
        images = decode(paths, frame)
        found.setdefault(DECODING, quiet(partial(decode, paths, frame)))
        found[f"blemish {name}, engine alone"] = quiet(
            partial(score_images, detector.engine, frame, images, BATCH_SIZE)
        )
        found[f"blemish predict {name}"] = quiet(
            partial(predict_to_files, detector, paths, Outputs(csv=folder / "out.csv"), batch_size=BATCH_SIZE)
        )
        if model.suffix == ".safetensors":
            network = detector.engine.model
            found["plain PyTorch loop, the same network"] = quiet(partial(plain_loop, network, paths, frame))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="model files, exported or not")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder, cores = Path(name), os.cpu_count() or 1
        torch.set_num_threads(cores)
        drawn = generate(folder / "parts", train=arguments.images, test=1, size=512) / "train" / "good"
        paths = [str(path) for path in sorted(drawn.iterdir())]
        contenders = ours(arguments.models, paths, folder)
        size = Detector.load(arguments.models[0]).frame.size
        np.save(folder / "images.npy", np.zeros((1, size, size, 3), np.uint8))
        with Peer(folder / "peer.log") as peer:
            images = str(folder / "images.npy")
            peer.ask("load", model="stfpm", backbone="resnet18", images=images, threads=cores)
            contenders[FIRST] = peer.turns("predict", folder=str(drawn), batch=1)
            contenders["anomalib STFPM, Engine.predict, batches of 16"] = peer.turns(
                "predict", folder=str(drawn), batch=16
            )
            contenders["anomalib STFPM, OpenVINOInferencer"] = peer.turns(
                "predict_openvino", folder=str(drawn)
            )
            measured = alternate(contenders, arguments.repeats)

    rows, engine, decoding = [], None, measured[DECODING]
    for what, one in measured.items():
        if what.endswith("engine alone"):
            engine = one
        mine = engine is not None and what.startswith("blemish")
        needed = engine.cpu_seconds + decoding.cpu_seconds if engine else 0.0
        rows.append(
            [
                what,
                len(paths) / one.wall_seconds,
                1000 * one.cpu_seconds / len(paths),
                f"{engine.wall_seconds / one.wall_seconds:.0%}" if mine and engine else None,
                f"{needed / cores / one.wall_seconds:.0%}" if mine and one is not engine else None,
                measured[FIRST].wall_seconds / one.wall_seconds,
                measured[FIRST].cpu_seconds / one.cpu_seconds,
            ]
        )
    print(f"{len(paths)} PNG files of 512 x 512, framed to {size} pixels; {machine()}\n")
    columns = ["what", "images/s", "CPU ms an image", "of the engine", "of the cores"]
    columns += ["times, wall", "times, CPU"]
    print(f"{markdown(rows, columns)}\n\n{steadiness(measured.values())}")


if __name__ == "__main__":
    main()
