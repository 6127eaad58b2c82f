"""Which images a training step sees, and the batches made of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from blemish.errors import BlemishError
from blemish.models.base import Batch, TrainedModel, images_to_tensor
from blemish.training.config import TrainingConfig
from blemish.training.feature_cache import make_room

IN_ORDER = 16  # images at a time where they are only looked at


def split_indices(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split range(count) at random into training and held-out indices, both sorted.

    floor(share * count) are held out, but at least one image stays on each side.
    """
    held_out = min(max(int(share * count), 1), count - 1)
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def epoch_order(indices: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """The order in which an epoch goes through the training indices."""
    return cast(np.ndarray, np.random.default_rng([seed, epoch]).permutation(indices))


def batch_rows(rows: np.ndarray, config: TrainingConfig, step: int, steps_per_epoch: int) -> np.ndarray:
    """The rows of one step; an epoch's last batch takes all that is left."""
    epoch, number = divmod(step, steps_per_epoch)
    end = (number + 1) * config.batch_size if number + 1 < steps_per_epoch else None
    return epoch_order(rows, config.seed, epoch)[number * config.batch_size : end]


def process_share(rows: np.ndarray, process: int, processes: int) -> np.ndarray:
    """One process's rows of a batch: equally many for each, the last row repeated where they do not go up.

    Put one behind the other, the shares of all processes begin with `rows`.
    """
    size = -(-len(rows) // processes)
    padded = np.concatenate([rows, np.repeat(rows[-1:], size * processes - len(rows))])
    return padded[process * size : (process + 1) * size]


def count_batches(images: int, batch_size: int, least: int) -> int:
    """Batches in an epoch; a last one of fewer than `least` images is joined to the one before it."""
    batches = -(-images // batch_size)
    return batches - (batches > 1 and 0 < images % batch_size < least)


@contextmanager
def lone_image_named() -> Iterator[None]:
    """Turn BatchNorm's complaint about a single value into a sentence for the user."""
    try:
        yield
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise BlemishError(
            "One image is too little to learn from where the network's last map is a single pixel; "
            "give more images or a larger frame (frame.resize and frame.crop)."
        ) from error


class Batches:
    """Batches of this process's share of the asked rows, with frozen features from a cache if there is room.

    A GPU computes them again sooner than a file is read, so only a CPU keeps them in files.

    Args:
        model: on the accelerator's device, with its frozen part in its final state.
        images: uint8 [N, S, S, 3]; may be a memory map.
        folder: for the files, which have no names.

    Attributes:
        least: how many images a training batch needs: as many as the model says, and BatchNorm takes no
            single image whose map is one pixel, of which each process has its share.
    """

    def __init__(
        self,
        model: TrainedModel,
        images: np.ndarray,
        accelerator: Accelerator,
        config: TrainingConfig,
        folder: Path,
    ) -> None:
        self.model, self.images, self.accelerator = model, images, accelerator
        budget = config.cache_gigabytes * 1e9 - (0 if isinstance(images, np.memmap) else images.nbytes)
        first = self._compute(np.arange(min(2, len(images))))
        one_pixel = any(f.ndim == 4 and f.shape[2] * f.shape[3] == 1 for f in first)
        self.least = max(model.least_batch, accelerator.num_processes + 1 if one_pixel else 1)
        on_disk = folder if accelerator.device.type == "cpu" else None
        self.cache = make_room(first, len(images), budget, on_disk, accelerator.num_processes)
        for start in range(0, len(images) if self.cache else 0, IN_ORDER):
            rows = np.arange(start, min(start + IN_ORDER, len(images)))
            for stored, computed in zip(self.cache or (), self._compute(rows), strict=True):
                stored[start : start + len(rows)] = computed

    def get(self, rows: np.ndarray) -> Batch:
        """The batch of these rows; with several processes, this one's share of it."""
        own = process_share(rows, self.accelerator.process_index, self.accelerator.num_processes)
        if self.cache is None:
            return Batch(self._tensor(own), self._compute(own))
        index = torch.from_numpy(own)
        return Batch(
            self._tensor(own), tuple(stored[index].to(self.accelerator.device) for stored in self.cache)
        )

    def in_order(self, rows: np.ndarray) -> Iterator[Tensor]:
        """All of these rows' images, uint8 [B, 3, S, S], the same in every process."""
        for start in range(0, len(rows), IN_ORDER):
            yield self._tensor(rows[start : start + IN_ORDER])

    def _tensor(self, rows: np.ndarray) -> Tensor:
        return images_to_tensor(self.images[rows]).to(self.accelerator.device)

    @torch.no_grad()
    def _compute(self, rows: np.ndarray) -> tuple[Tensor, ...]:
        with self.accelerator.autocast():
            return self.model.frozen_features(self._tensor(rows))
