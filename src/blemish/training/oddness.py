"""How odd each good image is to a memory bank of the others, and a fit without the oddest."""

import logging
from typing import Any

import numpy as np

from blemish.datasets import Dataset, check_trainable
from blemish.datasets.loading import Rows
from blemish.inference.engines.torch import TorchEngine
from blemish.models.backbones import default_blocks
from blemish.models.memory_bank.config import RADConfig
from blemish.models.weights import WeightsSource
from blemish.progress import progress_bar
from blemish.training.backbone import build_model
from blemish.training.calibrate import leave_one_out
from blemish.training.config import RunConfig
from blemish.training.one_pass import learn_in_one_pass
from blemish.training.read_images import GoodImages

log = logging.getLogger(__name__)


class Oddness:
    """The memory bank `rad` on a run's backbone, of all images, and what it gives each while left out.

    Args:
        rows: the images; changed versions of an image are left out with it.
        config: of the run; the model of rad itself is taken as it is.
        source: the backbone's weights; None for random ones.

    Attributes:
        engine: of the bank; its model has `leave_out`.
        scores: float64 [K], higher is odder.
        peaks: the largest value of each map.
    """

    def __init__(self, rows: Rows, config: RunConfig, source: WeightsSource | None) -> None:
        config = _of_bank(config)
        model: Any = build_model(config, source)[0]
        learn_in_one_pass(model, rows.images, np.arange(len(rows.images)), config.training)
        self.engine, frame = TorchEngine(model), config.frame
        count = len(rows.samples)
        with progress_bar("Leaving out each in its turn", count) as advance:
            self.scores, self.peaks = leave_one_out(
                self.engine, rows, frame, range(count), lambda index: rows.picture(index, frame), advance
            )


def without_oddest(images: GoodImages, source: WeightsSource | None) -> GoodImages:
    """The images without the share that the run's `contamination` says, at least one; `images` is used up.

    Raises:
        DatasetError: fewer than two are left.
    """
    config, samples = images.config, images.rows.samples
    scores, share = Oddness(images.rows, config, source).scores, config.contamination
    count = max(1, round(share * len(samples)))
    odd = np.argsort(-scores, kind="stable")[:count]
    check_trainable(Dataset("The data", train=samples[count:]))
    rate = config.false_alarm_rate
    which = (
        f"The oddest of {len(samples)} images is"
        if count == 1
        else (f"The {count} oddest of {len(samples)} images are")
    )
    log.warning(
        f"{which} left out; first comes {samples[odd[0]].path}. If they are good after all, up to "
        f"{100 * (rate + share * (1 - rate)):.3g} % of good images may alarm instead of {100 * rate:g} %."
    )
    kept = images.only(np.setdiff1d(np.arange(len(samples)), odd))
    kept.tell()
    return kept


def _of_bank(config: RunConfig) -> RunConfig:
    """The same run with the method rad on the same backbone and its usual layers."""
    if isinstance(config.model, RADConfig):
        return config
    backbone = getattr(config.model, "backbone", "")
    blocks = default_blocks(backbone)
    model = RADConfig.model_validate({"backbone": backbone} | ({"layers": blocks} if blocks else {}))
    return config.model_copy(update={"method": "rad", "preset": "standard", "model": model})
