"""The images that an export is verified on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blemish.datasets import Dataset, Sample
from blemish.datasets.loading import load_mask
from blemish.errors import DatasetError, ModelFileError
from blemish.images.frame import Frame
from blemish.images.reading import load_frame, mask_to_frame
from blemish.inference.model_file import read_probes

DRAWN = 64  # good images of a data set's `train`


@dataclass(frozen=True)
class Probes:
    """Images that are read as they are needed.

    Attributes:
        frame: of the model.
        images: framed ones, uint8 [H, W, 3], or samples to load.
        names: of each image, for messages.
        labels: 0 or 1 where the image is a labelled test image, else None.
        masks: of the images, by index, that count for a pixel AUROC: bool [H, W], None for good ones.
            There are none where pictures are aligned, for masks lie on them as they came.
    """

    frame: Frame
    images: Sequence[np.ndarray | Sample]
    names: list[str]
    labels: list[int | None]
    masks: dict[int, np.ndarray | None]

    def __len__(self) -> int:
        return len(self.images)

    def load(self, index: int) -> np.ndarray:
        """One framed image, uint8 [H, W, 3].

        Good images to learn from are mirrored: of one that a memory holds, whose distance is nothing,
        rounding would be all there is to compare.

        Raises:
            ImageError: its file cannot be used.
        """
        image = self.images[index]
        if not isinstance(image, Sample):
            return image
        picture = load_frame(image.path, self.frame)
        return np.ascontiguousarray(picture[:, ::-1]) if self.labels[index] is None else picture


def stored_probes(model: Path, frame: Frame) -> Probes:
    """Those in a model file.

    Raises:
        ModelFileError: it holds none.
    """
    images = read_probes(model, frame.shape)
    if not len(images):
        raise ModelFileError(
            f"{model} is of an older version and holds no images to verify on; give good ones with "
            "--calibrate."
        )
    names = [f"image {number} in {model}" for number in range(1, len(images) + 1)]
    return Probes(frame, list(images), names, [None] * len(images), {})


def dataset_probes(dataset: Dataset, frame: Frame) -> Probes:
    """Up to `DRAWN` images of `train`, the same ones each time, and all labelled test images.

    Raises:
        DatasetError: there are none.
        ImageError: a mask cannot be used.
    """
    order = np.random.default_rng(0).permutation(len(dataset.train))
    drawn = [dataset.train[index] for index in np.sort(order[:DRAWN])]
    labelled = [sample for sample in dataset.test if sample.label is not None]
    samples = drawn + labelled
    if not samples:
        raise DatasetError(f"{dataset.name} holds no images to verify on; give good ones with --calibrate.")
    labels = [None] * len(drawn) + [sample.label for sample in labelled]
    masks = {
        index: mask_to_frame(load_mask(sample.mask), frame) if sample.mask and sample.label else None
        for index, sample in enumerate(samples)
        if not frame.align and index >= len(drawn) and (sample.label == 0 or sample.mask is not None)
    }
    return Probes(frame, samples, [str(sample.path) for sample in samples], labels, masks)
