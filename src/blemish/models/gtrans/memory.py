"""A memory bank of AGN's features beside Trans: what one does not see, the other may. Not in the paper."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from blemish.images.frame import Shape
from blemish.models.backbones import FrozenBackbone
from blemish.models.gtrans.config import GTransConfig
from blemish.models.memory_bank.config import RADConfig
from blemish.models.memory_bank.rad import RAD

PEAKS = 200  # good images at most that the two maps' units are of
SHARE = 1 / 3  # of Trans's map against the bank's
TINY = 1e-12


class AddedMemory(nn.Module):
    """RAD on AGN's features without their first level, and the sum of its map and a third of Trans's.

    The bank remembers all good images, those that Trans did not learn from among them. Both maps are first
    divided by the distance from the median to the 90 % quantile of their peaks over images (or tiles) that
    Trans learned from, which the bank leaves out in their turn.

    Attributes:
        units: float32 [2], of Trans's map and of the bank's.
    """

    units: Tensor

    def __init__(self, config: GTransConfig, image_shape: Shape, agn: FrozenBackbone) -> None:
        super().__init__()
        layers = config.layers[1:] or config.layers
        self.bank = RAD(RADConfig(backbone=config.backbone, layers=layers, sigma=config.sigma), image_shape)
        self.bank.features.backbone = _WithoutFirst(agn, len(layers))  # type: ignore[assignment]
        self.register_buffer("units", torch.ones(2))

    def learn(
        self,
        batches: Callable[[], Iterator[Tensor]],
        learned: np.ndarray,
        seed: int,
        look: Callable[[Tensor], tuple[Tensor, list[Tensor]]],
    ) -> None:
        """See `TrainedModel.after_training`; `look` gives what `forward` takes of a batch of images."""
        self.bank.learn(batches, len(learned), seed)
        rows = np.flatnonzero(learned)
        trans, bank = [], []
        for places, images in chosen(batches(), rows[:: -(-len(rows) // PEAKS)]):
            for row, image in zip(places, images.split(1), strict=True):
                trans_map, levels = look(image)
                self.bank.leave_out(np.array([row]))
                trans.append(trans_map.max())
                bank.append(self._bank_map(levels).max())
        self.bank.leave_out(np.empty(0, np.int64))
        for place, peaks in enumerate((torch.stack(trans), torch.stack(bank))):
            middle, high = peaks.median(), peaks.quantile(0.9)
            self.units[place] = (high - middle).clamp(min=float(0.01 * middle) + TINY)

    def forward(self, trans_map: Tensor, levels: list[Tensor]) -> Tensor:
        """Trans's map [B, H, W] and AGN's levels, one [B, c_l, h_l, w_l] each, to their sum, [B, H, W]."""
        return SHARE * trans_map / self.units[0] + self._bank_map(levels) / self.units[1]

    def _bank_map(self, levels: list[Tensor]) -> Tensor:
        return self.bank.judge(self.bank.features.averaged(levels[1:] or levels))

    def resize_state(self, shapes: Mapping[str, Sequence[int]], prefix: str) -> None:
        """See `AnomalyModel.resize_state`; the names of the bank's tensors begin with `prefix`."""
        self.bank.resize_state(
            {name.removeprefix(prefix): size for name, size in shapes.items() if name.startswith(prefix)}
        )


def chosen(batches: Iterator[Tensor], rows: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Of each batch of images those of these rows of all, [B, 3, H, W], with their rows, int64 [B]."""
    first = 0
    for images in batches:
        here = rows[(rows >= first) & (rows < first + len(images))]
        if len(here):
            yield here, images[torch.from_numpy(here - first).to(images.device)]
        first += len(images)


class _WithoutFirst(nn.Module):
    """AGN as a bank's backbone, which has no weights of its own."""

    def __init__(self, agn: FrozenBackbone, kept: int) -> None:
        super().__init__()
        self._shared = (agn,)  # in a tuple it is no part of this module
        self.kept = kept
        self.channels = agn.backbone.channels[-kept:]

    @property
    def scale(self) -> Tensor:
        return self._shared[0].backbone.scale

    def normalise(self, images: Tensor) -> Tensor:
        return self._shared[0].backbone.normalise(images)

    def forward(self, images: Tensor) -> list[Tensor]:
        return self._shared[0].backbone(images)[-self.kept :]
