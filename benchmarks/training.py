"""One training step of GTrans: ours against a plain PyTorch loop, the processor, and anomalib.

    python benchmarks/training.py --backbone resnet18 --batch 8 32 --preset paper improved
    python benchmarks/training.py --backbone resnet18 --batch 8 --peers

The plain loop computes in float32 with contiguous memory, asks the teacher in every step and has Adam as it
comes. Each row below it changes one thing more; the last is the code of `blemish fit`. All take turns in this
process, with random weights and images. The share of the peak is the operations that a step cannot do without
(student and tokens forward and backward, no teacher where it can be cached) in the CPU seconds it took,
over what matrix products of 1024 x 1024 in bfloat16 reach in the same turns.
"""

import argparse
import copy
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from peers import Peer
from timing import (
    Contender,
    Measured,
    Turn,
    alternate,
    gigaflops,
    machine,
    markdown,
    number,
    spread,
    take_turn,
)
from torch import Tensor

from blemish.models.base import Batch, images_to_tensor
from blemish.models.gtrans import model as gtrans
from blemish.models.gtrans.anomaly_map import distance
from blemish.models.gtrans.model import GTrans
from blemish.training.batches import Batches
from blemish.training.config import TrainingConfig, build_config
from blemish.training.loop import train_batch

PEAK = "matrix product"
OURS = "`blemish fit`"
SIDE, PRODUCTS = 1024, 20

# what each loop has of channels-last memory, bfloat16, kept teacher features, fused Adam
LOOPS = {
    "plain loop": (False, False, False, False),
    "+ channels-last memory": (True, False, False, False),
    "+ bfloat16": (True, True, False, False),
    "+ teacher asked once": (True, True, True, False),
    "+ fused Adam": (True, True, True, True),
}


def loop(
    model: GTrans, images: np.ndarray, batch: int, channels_last: bool, bf16: bool, cached: bool, fused: bool
) -> Callable[[], None]:
    """One step of an ordinary training loop, with eq. 13 as it is written."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = copy.deepcopy(model).to(memory_format=layout).train()
    parameters = model.parameter_groups()["student"]
    optimiser = torch.optim.Adam(parameters, 1e-4, weight_decay=1e-4, fused=fused or None)
    rows = images_to_tensor(images[:batch]).contiguous(memory_format=layout)
    autocast = partial(torch.autocast, "cpu", torch.bfloat16, enabled=bf16)

    @torch.no_grad()
    def ask_teacher() -> tuple[Tensor, ...]:
        with autocast():
            return model.frozen_features(rows)

    kept = ask_teacher() if cached else None

    def step() -> None:
        with autocast(), patch.object(gtrans, "rough_distance", distance):
            (made,) = model.training_steps(Batch(rows, kept or ask_teacher()))
        optimiser.zero_grad()
        made.loss.backward()
        optimiser.step()
        made.loss.item()

    return step


def fit_step(model: GTrans, images: np.ndarray, batch: int, folder: Path) -> Callable[[], None]:
    """One step as `blemish fit` makes it, with the batch taken from the caches."""
    model = copy.deepcopy(model).to(memory_format=torch.channels_last).train()
    AcceleratorState._reset_state()
    accelerator = Accelerator(cpu=True, mixed_precision="bf16")
    batches = Batches(model, images, accelerator, TrainingConfig(), folder)
    optimisers = {
        group: torch.optim.Adam(parameters, 1e-4, weight_decay=1e-4, fused=True)
        for group, parameters in model.parameter_groups().items()
    }
    rng = np.random.default_rng(0)

    def step() -> None:
        rows = rng.permutation(len(images))[:batch]
        train_batch(model, batches.get(rows), optimisers, 1e-4, accelerator)

    return step


def multiply() -> Callable[[], None]:
    """The matrix products that the peak is taken from."""
    one, other = torch.randn(2, SIDE, SIDE).to(torch.bfloat16)

    def products() -> None:
        for _ in range(PRODUCTS):
            torch.mm(one, other)

    return products


def warm(work: Contender) -> Contender:
    """Turns of a piece of work, each after an untimed one that finds its memory in disorder."""

    def turn() -> Turn:
        work()
        return take_turn(work)

    return turn


def measure(backbone: str, batch: int, preset: str, repeats: int, peers: bool) -> None:
    """Print the table of one model and batch size."""
    config = build_config(values={"method": "gtrans", "preset": preset, "model": {"backbone": backbone}})
    torch.manual_seed(0)
    model = GTrans(config.model, config.frame.shape)
    shape = (max(batch, 32), config.frame.size, config.frame.size, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        steps = {name: loop(model, images, batch, *changes) for name, changes in LOOPS.items()}
        steps[OURS] = fit_step(model, images, batch, folder)
        operations = gigaflops(steps[OURS])
        contenders = {name: warm(step) for name, step in steps.items()} | {PEAK: warm(multiply())}
        if peers:
            np.save(folder / "images.npy", images)
            for name in ("stfpm", "reverse_distillation"):
                peer = stack.enter_context(Peer(folder / f"{name}.log"))
                peer.ask(
                    "load",
                    model=name,
                    backbone=backbone,
                    images=str(folder / "images.npy"),
                    threads=torch.get_num_threads(),
                )
                contenders[f"anomalib, {name}"] = warm(peer.turns("train", batch=batch))
        found = alternate(contenders, repeats)
    peak = PRODUCTS * 2 * SIDE**3 / 1e9 / min(found.pop(PEAK).cpu)
    plain = found["plain loop"].cpu_seconds

    def row(name: str, one: Measured) -> tuple[object, ...]:
        ours = not name.startswith("anomalib")
        share = f"{operations / one.cpu_seconds / peak:.0%}" if ours else None
        return name, spread(one.cpu), spread(one.wall), plain / one.cpu_seconds, share

    print(f"\n{backbone}, batches of {batch}, preset {preset}: {number(operations)} GFLOP a step, ", end="")
    print(f"peak {number(peak)} GFLOP/s\n")
    columns = ("Step", "CPU seconds", "Wall seconds", "Times faster (CPU)", "Share of the peak")
    print(markdown([row(*item) for item in found.items()], columns), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--backbone", nargs="+", default=["resnet18"])
    parser.add_argument("--batch", nargs="+", type=int, default=[8])
    parser.add_argument("--preset", nargs="+", default=["paper"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peers", action="store_true", help="anomalib's STFPM and Reverse Distillation too")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(machine())
    for backbone in arguments.backbone:
        for preset in arguments.preset:
            for batch in arguments.batch:
                measure(backbone, batch, preset, arguments.repeats, arguments.peers)


if __name__ == "__main__":
    main()
