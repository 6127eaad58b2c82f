"""Scoring speed: our engines and precisions against anomalib's models on its own engines, same images.

    python benchmarks/inference.py parts.safetensors --data parts/

The model is exported, in float32 and in int8 calibrated on DATA (a drawn data set if left out), and all take
turns: one thread, then all cores; one image at a time, then 16. They start from decoded uint8 images and end
at scores and maps. anomalib's STFPM and Reverse Distillation get the model's ResNet, or else a ResNet-18, and
the same image size; "default" lets OpenVINO choose the precision (bfloat16 where the CPU has it). Prints a
Markdown table for each number of threads; "times" is against STFPM on its fastest engine in float32, by CPU
seconds with one thread and by wall seconds with all.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from peers import Peer
from timing import Contender, alternate, gigaflops, machine, markdown, steadiness

from blemish.datasets import read_dataset
from blemish.datasets.drawn import generate
from blemish.datasets.loading import load_rows
from blemish.errors import BlemishError
from blemish.export import export_model
from blemish.images.frame import Frame
from blemish.inference.engines import open_engine, read_metadata

BATCHES = {1: 8, 16: 16}  # images at once: images in a turn
STFPM = "anomalib STFPM"
PEERS = {STFPM: "stfpm", "anomalib Reverse Distillation": "reverse_distillation"}
PEER_ENGINES = {
    "stfpm": ("torch", "onnxruntime", "openvino f32", "openvino", "openvino int8"),
    "reverse_distillation": ("openvino f32", "openvino"),
}


class Opened(NamedTuple):
    """A file of our model and the engine that runs it."""

    engine: str
    precision: str
    path: Path


class Entry(NamedTuple):
    """A line of the table."""

    what: str
    engine: str
    precision: str
    gigaflops: float  # per image
    turns: Callable[[int], Contender]  # for a batch size


def ours(files: list[Opened], images: np.ndarray, threads: int) -> list[Entry]:
    """Our engines, opened anew for this number of threads."""
    engines = [open_engine(file.path, engine=file.engine, threads=threads, device="cpu")[0] for file in files]
    operations = gigaflops(lambda: engines[0](images[:1]))
    what = f"blemish {read_metadata(files[0].path).method}"

    def score(engine: Callable, batch: int) -> None:
        for start in range(0, BATCHES[batch], batch):
            engine(images[start : start + batch])

    return [
        Entry(
            what,
            file.engine,
            file.precision,
            operations,
            lambda batch, engine=engine: partial(score, engine, batch),
        )
        for file, engine in zip(files, engines, strict=True)
    ]


def export(model: Path, data: Path, folder: Path) -> list[Opened]:
    """The model itself first, then what it is exported to."""
    floats = folder / f"{model.stem}.onnx"
    export_model(model, floats, calibrate=data)
    files = [
        Opened("torch", "float32", model),
        Opened("onnxruntime", "float32", floats),
        Opened("openvino", "float32", floats),
    ]
    try:
        for engine, suffix in (("onnxruntime", "onnx"), ("openvino", "xml")):
            integers = folder / f"{model.stem}-int8.{suffix}"
            export_model(model, integers, int8=True, calibrate=data)
            files.append(Opened(engine, "int8", integers))
    except BlemishError as error:
        print(f"No int8: {error}\n")
    return files


def theirs(peers: dict[str, Peer], operations: dict[str, float], threads: int) -> list[Entry]:
    entries = []
    for what, peer in peers.items():
        peer.ask("use_threads", threads=threads)
        for engine in PEER_ENGINES[PEERS[what]]:
            name, _, kind = engine.partition(" ")
            precision = {"": "default" if name == "openvino" else "float32", "f32": "float32"}.get(kind, kind)

            def turns(batch: int, peer: Peer = peer, engine: str = engine) -> Contender:
                return peer.turns("infer", engine=engine, batch=batch, images=BATCHES[batch])

            entries.append(Entry(what, name, precision, operations[what], turns))
    return entries


def table(entries: list[Entry], threads: int, repeats: int) -> str:
    seconds, turns = {}, []  # (entry, batch) to (CPU, wall) of an image
    for batch, images in BATCHES.items():
        contenders = {str(number): entry.turns(batch) for number, entry in enumerate(entries)}
        measured = alternate(contenders, repeats)
        turns += measured.values()
        for number, one in measured.items():
            seconds[int(number), batch] = one.cpu_seconds / images, one.wall_seconds / images
    counted = 0 if threads == 1 else 1
    base = {
        batch: min(
            seconds[number, batch][counted]
            for number, entry in enumerate(entries)
            if entry.what == STFPM and entry.precision == "float32"
        )
        for batch in BATCHES
    }
    rows = [
        [entry.what, entry.engine, entry.precision, entry.gigaflops]
        + [1 / seconds[number, batch][1] for batch in BATCHES]
        + [1000 * seconds[number, batch][0] for batch in BATCHES]
        + [base[batch] / seconds[number, batch][counted] for batch in BATCHES]
        for number, entry in enumerate(entries)
    ]
    columns = ["what", "engine", "precision", "GFLOP"]
    for heading in ("images/s, {}", "CPU ms an image, {}", "times, {}"):
        columns += [
            heading.format("one at a time" if batch == 1 else f"{batch} at once") for batch in BATCHES
        ]
    return f"{markdown(rows, columns)}\n\n{steadiness(turns)}"


def peak() -> float:
    """Billions of float32 operations per CPU second of one large convolution with one thread, best of five.

    A matrix product would be the simpler measure, but PyTorch's is slow on AMD's processors.
    """
    torch.set_num_threads(1)
    layer = torch.nn.Conv2d(256, 256, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
    features = torch.rand(4, 256, 56, 56).contiguous(memory_format=torch.channels_last)
    seconds = []
    with torch.inference_mode():
        operations = gigaflops(lambda: layer(features))
        for _ in range(5):
            start = time.process_time()
            layer(features)
            seconds.append(time.process_time() - start)
    return operations / min(seconds)


def measure(model: Path, data: Path, folder: Path, repeats: int) -> None:
    metadata = read_metadata(model)
    samples = read_dataset(data).train[: max(BATCHES)]
    size = metadata.frame.size
    frames = load_rows(samples, Frame(resize=size, crop=None)).images
    images = np.resize(frames, (max(BATCHES), size, size, 3))
    files = export(model, data, folder)
    backbone = str(metadata.config.get("backbone"))
    backbone = backbone if backbone in ("resnet18", "resnet34") else "resnet18"
    np.save(folder / "images.npy", images)
    peers = {what: Peer(folder / f"{name}.log") for what, name in PEERS.items()}
    try:
        operations = {
            what: peer.ask(
                "load", model=PEERS[what], backbone=backbone, images=str(folder / "images.npy"), threads=1
            )["gigaflops"]
            for what, peer in peers.items()
        }
        print(f"{model.name}, {size} pixels; anomalib with {backbone}; {machine()}")
        for threads in sorted({1, os.cpu_count() or 1}):
            print(f"\n{threads} thread{'s' * (threads > 1)}:\n")
            entries = ours(files, images, threads) + theirs(peers, operations, threads)
            print(table(entries, threads, repeats), flush=True)
    finally:
        for peer in peers.values():
            peer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help=".safetensors files")
    parser.add_argument("--data", type=Path, help="good images to calibrate int8 with, and to score")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = arguments.data or generate(folder / "parts", train=40, test=1)
        for model in arguments.models:
            measure(model, data, folder, arguments.repeats)
        print(f"\nA large float32 convolution reaches {peak():.0f} GFLOP per CPU second with one thread.")


if __name__ == "__main__":
    main()
