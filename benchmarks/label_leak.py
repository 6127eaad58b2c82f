"""What BatchNorm's statistics at test do to the image AUROC of the same weights.

    python benchmarks/label_leak.py model.safetensors cifar10/ --held-out frog

Scores the test set with running statistics, with each image's own, with those of each batch of the ordered
test set (which leaks the label), and with those of each batch of a shuffled one.
"""

import argparse
import random
from dataclasses import replace

import blemish
from blemish.datasets import read_dataset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", help="folder of class folders, cifar10 or stl10")
    parser.add_argument("--held-out", required=True)
    arguments = parser.parse_args()
    ordered = read_dataset(arguments.data, held_out=arguments.held_out)
    shuffled = replace(ordered, test=random.Random(0).sample(ordered.test, len(ordered.test)))
    print("| Statistics | Order of the test set | Image AUROC | 95 % interval |\n|---|---|---|---|")
    for mode, name, dataset in (
        ("eval", "any", ordered),
        ("instance", "any", ordered),
        ("batch", "normal images first", ordered),
        ("batch", "shuffled", shuffled),
    ):
        detector = blemish.load(arguments.model, batchnorm_at_test=mode)
        image = blemish.evaluate(detector, dataset).image
        low, high = image["auroc_interval"]
        print(f"| {mode} | {name} | {image['auroc']:.3f} | {low:.3f} to {high:.3f} |", flush=True)


if __name__ == "__main__":
    main()
