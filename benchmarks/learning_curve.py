"""How accurate GTrans is after so many epochs of a schedule, on test images: a learning curve.

    python benchmarks/learning_curve.py mvtec/screw --backbone resnet18 --weights resnet18.safetensors \\
        --preset paper --every 10
    python benchmarks/learning_curve.py mvtec/screw ... --preset paper-fast --every 5

Prints a Markdown table: epochs, minutes of processor time of the training alone, and accuracy in percent of
the weights as they then are, after the statistics by which maps are standardised. The last line is of the
weights that training keeps: those of the epoch with the least loss on held-out good images. Test images
choose nothing.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from blemish.datasets import Dataset, read_dataset
from blemish.datasets.loading import load_rows
from blemish.evaluation.metrics import auroc, pixel_metrics
from blemish.images.reading import mask_to_frame, read_mask
from blemish.models.gtrans.model import GTrans
from blemish.models.weights import find_weights, read_weights
from blemish.training.batches import count_batches, in_order, split_indices
from blemish.training.config import RunConfig, build_config
from blemish.training.loop import show_all, train


class TestImages:
    """The test images of a data set, decoded once."""

    def __init__(self, data: Dataset, config: RunConfig) -> None:
        self.images = load_rows(data.test, config.frame).images
        self.defective = np.array([sample.label for sample in data.test], bool)
        empty = np.zeros(self.images.shape[1:3], bool)
        self.masks = [
            mask_to_frame(read_mask(sample.mask), config.frame) if sample.mask else empty
            for sample in data.test
        ]

    @torch.no_grad()
    def measure(self, model: GTrans) -> str:
        """Image AUROC, pixel AUROC and AUPRO in percent, as cells of a table."""
        model.eval()
        rows = np.arange(len(self.images))
        parts = [model(images) for images in in_order(self.images, rows, torch.device("cpu"))]
        model.train()
        scores = torch.cat([score for score, _ in parts]).numpy()
        maps = torch.cat([anomaly_map for _, anomaly_map in parts]).numpy()
        pixel = pixel_metrics(maps, self.masks)
        found = (auroc(scores, self.defective), pixel["auroc"], pixel["aupro_30"])
        return " | ".join(f"{100 * value:.1f}" for value in found if value is not None)


class Watched(GTrans):
    """A model that looks at test images in the course of its training, without learning from them."""

    def watch(self, test: TestImages, learned: np.ndarray, batch_size: int, every: int) -> None:
        """Print a line of the table after each `every` epochs over the images `learned`."""
        self.test, self.learned, self.every = test, learned, every
        self.epoch = count_batches(len(learned), batch_size, self.least_batch)
        self.steps, self.looking, self.started = 0, 0.0, time.process_time()

    def minutes(self) -> float:
        """Of processor time since `watch`, without the looking."""
        return (time.process_time() - self.started - self.looking) / 60

    def after_batch(self, losses: dict[str, float]) -> str:
        self.steps += 1
        epochs, left = divmod(self.steps, self.epoch)
        if not left and epochs % self.every == 0:
            minutes, before = self.minutes(), time.process_time()
            self.eval()
            rows = np.arange(len(self.learned))
            show_all(self, self.learned, rows, 0, torch.device("cpu"))
            print(f"| {epochs} | {minutes:.1f} | {self.test.measure(self)} |", flush=True)
            self.looking += time.process_time() - before
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", help="a folder in the MVTec layout, with masks")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--weights", help="ImageNet weights of the backbone")
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--every", type=int, default=10, help="epochs between two lines")
    arguments = parser.parse_args()

    values = {"method": "gtrans", "preset": arguments.preset, "model": {"backbone": arguments.backbone}}
    config = build_config(assignments=arguments.assignments, values=values)
    data = read_dataset(arguments.data)
    images = load_rows(data.train, config.frame).images
    learn, hold_out = split_indices(len(images), config.training.validation_share, config.training.seed)
    torch.manual_seed(config.training.seed)
    model = Watched(config.model, images.shape[1:3])
    model.load_teacher(read_weights(find_weights(config.model.backbone, arguments.weights)))
    test = TestImages(data, config)
    print("| Epochs | Minutes | Image AUROC | Pixel AUROC | AUPRO |\n|---|---|---|---|---|", flush=True)
    model.watch(test, images[learn], config.training.batch_size, arguments.every)
    with tempfile.TemporaryDirectory() as folder:
        summary = train(
            model,
            images,
            learn,
            hold_out,
            config.training,
            checkpoint=Path(folder) / "checkpoint",
            log=Path(folder) / "log.jsonl",
            fingerprint="",
        )
    print(f"| {summary.kept_epoch}, kept | {model.minutes():.1f} | {test.measure(model)} |")


if __name__ == "__main__":
    main()
