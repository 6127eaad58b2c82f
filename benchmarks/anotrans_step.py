"""One training step of AnoTrans (two of the discriminator, one of the generator): ours against a naive one.

    python benchmarks/anotrans_step.py --size 32 --batch 64

The naive one attends to one window position after the other in a Python loop, computes in float32, and
redraws the batch for each of the three optimisation steps. Each variant runs in a process of its own, in
alternation; printed are the best CPU and wall seconds of a step and the process's peak memory.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import torch
from timm.models.swin_transformer import WindowAttention
from torch import Tensor

from blemish.models.base import Batch, Step
from blemish.models.gan.anotrans import AnoTrans
from blemish.models.gan.config import AnoTransConfig

VARIANTS = {
    "naive": {"loop": True, "redraw": True, "precision": "fp32"},
    "+ all windows at once": {"loop": False, "redraw": True, "precision": "fp32"},
    "+ one reconstruction": {"loop": False, "redraw": False, "precision": "fp32"},
    "+ bfloat16 (ours)": {"loop": False, "redraw": False, "precision": "bf16"},
}
attend_to_all = WindowAttention.forward


def attend_one_by_one(self: WindowAttention, windows: Tensor, mask: Tensor | None = None) -> Tensor:
    """The windows of one position in all images, then those of the next."""
    grouped = windows.view(-1, self.positions, *windows.shape[1:])
    parts = [
        attend_to_all(self, grouped[:, number], None if mask is None else mask[number : number + 1])
        for number in range(self.positions)
    ]
    return torch.stack(parts, dim=1).view(windows.shape)


def redrawing(model: AnoTrans, batch: Batch) -> Iterator[Step]:
    """The same steps, each from a reconstruction of its own."""
    for number in range(model.config.d_steps + 1):
        steps = model.training_steps(batch)
        for _ in range(number):
            next(steps)
        yield next(steps)


def measure(size: int, batch_size: int, steps: int, *, loop: bool, redraw: bool, precision: str) -> dict:
    """Seconds of each step, and the peak memory of this process in MB."""
    torch.manual_seed(0)
    model = AnoTrans(AnoTransConfig(), (size, size)).to(memory_format=torch.channels_last).train()
    if loop:
        for block in model.generator.modules():
            if hasattr(block, "attn") and isinstance(block.attn, WindowAttention):
                side, window = block.input_resolution[0], block.window_size[0]
                block.attn.positions = (side // window) ** 2
                block.attn.forward = attend_one_by_one.__get__(block.attn)
    groups = model.parameter_groups()
    optimisers = {
        name: torch.optim.Adam(group, 2e-4, betas=(0.5, 0.999), fused=True) for name, group in groups.items()
    }
    batch = Batch(torch.randint(0, 256, (batch_size, 3, size, size), dtype=torch.uint8), ())
    taken = []
    for _ in range(steps):
        cpu, wall = time.process_time(), time.perf_counter()
        sequence = redrawing(model, batch) if redraw else model.training_steps(batch)
        while True:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                step = next(sequence, None)
            if step is None:
                break
            optimisers[step.group].zero_grad()
            step.loss.backward(inputs=groups[step.group])
            optimisers[step.group].step()
        taken.append((time.process_time() - cpu, time.perf_counter() - wall))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": min(c for c, _ in taken), "wall": min(w for _, w in taken), "peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        found = measure(arguments.size, arguments.batch, arguments.steps, **VARIANTS[arguments.variant])
        print(json.dumps(found))
        return
    results: dict[str, list[dict]] = {name: [] for name in VARIANTS}
    for _ in range(arguments.rounds):
        for name in VARIANTS:
            command = [sys.executable, __file__, "--variant", name, "--size", str(arguments.size)]
            command += ["--batch", str(arguments.batch), "--steps", str(arguments.steps)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            results[name].append(json.loads(output))
    best = {
        name: {key: min(one[key] for one in found) for key in found[0]} for name, found in results.items()
    }
    print("| Step | CPU seconds | Wall seconds | Times faster (CPU) | Peak memory |\n|---|---|---|---|---|")
    for name, row in best.items():
        print(
            f"| {name} | {row['cpu']:.2f} | {row['wall']:.2f} | {best['naive']['cpu'] / row['cpu']:.1f} "
            f"| {row['peak']:.0f} MB |"
        )


if __name__ == "__main__":
    main()
