"""Which images a training step sees, and the batches made of them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from blemish.models.base import Batch, TrainedModel, images_to_tensor
from blemish.training.cache import room_for_features
from blemish.training.config import TrainingConfig


def split_indices(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split range(count) at random into training and held-out indices, both sorted.

    floor(share * count) are held out, but at least one image stays on each side.
    """
    held_out = min(max(int(share * count), 1), count - 1)
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def split_groups(groups: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """As `split_indices`, of groups of near-equal images: each is learned from, or its first is held out.

    Args:
        groups: int64, for each image the number of the first of its group.
    """
    firsts, group = np.unique(groups, return_inverse=True)
    learn, held_out = split_indices(len(firsts), share, seed)
    return np.flatnonzero(np.isin(group, learn)), firsts[held_out]


def batch_rows(rows: np.ndarray, config: TrainingConfig, step: int, steps_per_epoch: int) -> np.ndarray:
    """The rows of one step; each epoch has an order of its own, and its last batch takes all that is left."""
    epoch, number = divmod(step, steps_per_epoch)
    end = (number + 1) * config.batch_size if number + 1 < steps_per_epoch else None
    order: np.ndarray = np.random.default_rng([config.seed, epoch]).permutation(rows)
    return order[number * config.batch_size : end]


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


def in_order(images: np.ndarray, rows: np.ndarray, device: torch.device) -> Iterator[Tensor]:
    """These rows of images [N, H, W, 3], 16 at a time, as uint8 [B, 3, H, W] on the device."""
    for start in range(0, len(rows), 16):
        yield images_to_tensor(images[rows[start : start + 16]]).to(device)


class Batches:
    """Batches of this process's share of the asked rows, with frozen features from a cache if there is room.

    A GPU computes them again sooner than a file is read, so only a CPU keeps them in files.

    Args:
        model: on the accelerator's device, with its frozen part in its final state.
        images: uint8 [N, H, W, 3]; may be a memory map.
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
        first = self._compute(self._tensor(np.arange(min(2, len(images)))))
        one_pixel = any(f.ndim == 4 and f.shape[2] * f.shape[3] == 1 for f in first)
        self.least = max(model.least_batch, accelerator.num_processes + 1 if one_pixel else 1)
        on_disk = folder if accelerator.device.type == "cpu" else None
        self.cache = room_for_features(first, len(images), budget, on_disk, accelerator.num_processes)
        filled = 0
        for batch in in_order(images, np.arange(len(images)), accelerator.device) if self.cache else ():
            for stored, computed in zip(self.cache or (), self._compute(batch), strict=True):
                stored[filled : filled + len(batch)] = computed
            filled += len(batch)

    def get(self, rows: np.ndarray) -> Batch:
        """The batch of these rows; with several processes, this one's share of it."""
        own = process_share(rows, self.accelerator.process_index, self.accelerator.num_processes)
        images, index = self._tensor(own), torch.from_numpy(own)
        if self.cache is None:
            return Batch(images, self._compute(images))
        return Batch(images, tuple(stored[index].to(images.device) for stored in self.cache))

    def _tensor(self, rows: np.ndarray) -> Tensor:
        return images_to_tensor(self.images[rows]).to(self.accelerator.device)

    @torch.no_grad()
    def _compute(self, images: Tensor) -> tuple[Tensor, ...]:
        with self.accelerator.autocast():
            return self.model.frozen_features(images)
