"""Asked against observed false-alarm rate when the calibration images also chose the epoch.

Trains on 160 good solar cells and keeps, after every epoch, the validation loss and the score of 420 good
cells that training never saw. Then, many times over: draw 40 of them, choose the epoch with their least mean
loss, calibrate on the same 40 or on another 40, and count false alarms among the rest. Small frames keep it
to minutes. Run: python benchmarks/false_alarms.py
"""

import argparse

import numpy as np
import torch

from blemish.calibration import Calibration
from blemish.datasets.elpv import elpv
from blemish.datasets.loading import load_rows
from blemish.models.base import Batch, images_to_tensor
from blemish.models.gtrans.model import GTrans
from blemish.models.weights import find_weights, read_weights
from blemish.training.config import build_config

RATES = (0.025, 0.05, 0.1, 0.2)
TRAIN, SPARE, HELD_OUT = 160, 420, 40
BATCH = 32


def learning_history(seed: int, epochs: int) -> tuple[np.ndarray, np.ndarray]:
    """Losses and scores of the spare images after each epoch, both [epochs, SPARE]."""
    config = build_config(values={"method": "gtrans", "frame": {"resize": 64, "crop": 64}})
    cells = elpv("mono", train=TRAIN, good=SPARE, bad=0, seed=seed)
    train = images_to_tensor(load_rows(cells.train, config.frame).images)
    spare = images_to_tensor(load_rows(cells.test, config.frame).images)
    torch.manual_seed(seed)
    model = GTrans(config.model, config.frame.shape)
    model.load_teacher(read_weights(find_weights(config.model.backbone)))
    training = config.training
    optimiser = torch.optim.Adam(
        model.parameter_groups()["student"], training.learning_rate, weight_decay=training.weight_decay
    )
    losses, scores = [], []
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(TRAIN).split(BATCH):
            with torch.autocast("cpu", torch.bfloat16):
                with torch.no_grad():
                    frozen = model.frozen_features(train[rows])
                (step,) = model.training_steps(Batch(train[rows], frozen))
            optimiser.zero_grad()
            step.loss.backward()
            optimiser.step()
        model.eval()
        with torch.inference_mode():
            parts = spare.split(BATCH)
            losses.append(
                torch.cat([model.validation_loss(Batch(p, model.frozen_features(p))) for p in parts])
            )
            scores.append(torch.cat([model(part)[0] for part in parts]))
    return torch.stack(losses).numpy(), torch.stack(scores).numpy()


def false_alarms(calibration: np.ndarray, scores: np.ndarray) -> list[float]:
    return [float(np.mean(Calibration(calibration, rate).is_anomalous(scores))) for rate in RATES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--draws", type=int, default=2000)
    arguments = parser.parse_args()

    same, other, chosen = [], [], []
    for seed in range(arguments.seeds):
        losses, scores = learning_history(seed, arguments.epochs)
        rng = np.random.default_rng(seed)
        for _ in range(arguments.draws):
            first, second, rest = np.split(rng.permutation(SPARE), [HELD_OUT, 2 * HELD_OUT])
            epoch = int(losses[:, first].mean(axis=1).argmin())
            chosen.append(epoch + 1)
            same.append(false_alarms(scores[epoch, first], scores[epoch, rest]))
            other.append(false_alarms(scores[epoch, second], scores[epoch, rest]))
        epochs, counts = np.unique(chosen[-arguments.draws :], return_counts=True)
        print(
            f"seed {seed}: epochs chosen {dict(zip(epochs.tolist(), counts.tolist(), strict=True))}",
            flush=True,
        )

    difference = np.array(same) - np.array(other)
    error = difference.std(axis=0, ddof=1) / np.sqrt(len(difference))
    print(f"\n{arguments.seeds} fits, {arguments.draws} draws each, {HELD_OUT} calibration images\n")
    print("| asked | most possible | calibrated on the choosing images | on others | difference |")
    print("|---|---|---|---|---|")
    for number, rate in enumerate(RATES):
        most = max(np.floor(rate * (HELD_OUT + 1)), 1) / (HELD_OUT + 1)
        print(
            f"| {rate:.1%} | {most:.1%} | {np.mean(same, axis=0)[number]:.2%} | "
            f"{np.mean(other, axis=0)[number]:.2%} | "
            f"{np.mean(difference, axis=0)[number]:+.2%} ± {error[number]:.2%} |"
        )


if __name__ == "__main__":
    main()
