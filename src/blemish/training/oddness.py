"""How odd each good image is to a memory bank of the others, and a fit without the oddest."""

import logging
from typing import Any

import numpy as np

from blemish.calibration import Calibration
from blemish.datasets import Dataset, check_trainable
from blemish.datasets.loading import Rows
from blemish.images.drawing import HeatScale
from blemish.images.reading import image_size
from blemish.inference.engines.torch import TorchEngine
from blemish.inference.held_out_maps import peaks_of
from blemish.inference.result import Result
from blemish.inference.scoring import BATCH_SIZE, score_images
from blemish.models.backbones import default_blocks
from blemish.models.memory_bank.config import RADConfig
from blemish.models.weights import WeightsSource
from blemish.progress import progress_bar
from blemish.training.backbone import build_model
from blemish.training.calibrate import leave_one_out, stand_out
from blemish.training.config import RunConfig
from blemish.training.one_pass import learn_in_one_pass
from blemish.training.read_images import GoodImages

RARE = 0.05  # share of the images whose hottest spots lie beyond the heat scale's alarm

log = logging.getLogger(__name__)


class Oddness:
    """The memory bank `rad` on a run's backbone, of all images, and what it gives each while left out.

    Args:
        rows: the images; changed versions of an image are left out with it.
        config: of the run; the model of rad itself is taken as it is.
        source: the backbone's weights; None for random ones.

    Attributes:
        scores: float64 [K], higher is odder.
        odd: bool [K], see `stand_out`.
        map_peaks: float64 [K], values of the maps' hottest spots; the regions of an image go by the others'.
        heat_scale: of the maps, see `HeatScale.from_calibration`.
        frame: of the images.
    """

    def __init__(self, rows: Rows, config: RunConfig, source: WeightsSource | None) -> None:
        config = _of_bank(config)
        self.rows, self.frame = rows, config.frame
        model: Any = build_model(config, source)[0]
        learn_in_one_pass(model, rows.images, np.arange(len(rows.images)), config.training)
        self.engine, count = TorchEngine(model), len(rows.samples)
        with progress_bar("Leaving out each in its turn", count) as advance:
            self.scores, maps = leave_one_out(
                self.engine, rows, self.frame, range(count), self._picture, advance
            )
        self.odd = stand_out(self.scores)
        self.map_peaks = np.array(peaks_of(maps))
        self.heat_scale = HeatScale.from_calibration(Calibration(self.map_peaks, RARE))

    def result(self, index: int) -> Result:
        """One of the K images as scored while left out; its p-value is among all of them."""
        path, model = self.rows.samples[index].path, self.engine.model
        framed = self._picture(index)
        model.leave_out(self.rows.of_group(index))
        ((score, anomaly_map),) = score_images(self.engine, self.frame, [framed], BATCH_SIZE)
        p_value = float((self.scores >= self.scores[index]).mean())
        return Result(
            str(path),
            score,
            p_value,
            bool(self.odd[index]),
            anomaly_map,
            framed,
            frame=self.frame,
            size=image_size(path),
            map_peaks=Calibration(np.delete(self.map_peaks, index), RARE),
        )

    def _picture(self, index: int) -> np.ndarray:
        return self.rows.picture(index, self.frame)


def without_oddest(images: GoodImages, source: WeightsSource | None) -> GoodImages:
    """The images without the share that the run's `contamination` says, at least one; `images` is used up.

    Raises:
        DatasetError: fewer than two are left.
    """
    config, samples = images.config, images.rows.samples
    share = config.contamination
    count = max(1, round(share * len(samples)))
    check_trainable(Dataset("What a contamination leaves", train=samples[count:]))
    odd = np.argsort(-Oddness(images.rows, config, source).scores, kind="stable")[:count]
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
    return images.only(np.setdiff1d(np.arange(len(samples)), odd))


def _of_bank(config: RunConfig) -> RunConfig:
    """The same run with the method rad on the same backbone and its usual layers."""
    if isinstance(config.model, RADConfig):
        return config
    backbone = getattr(config.model, "backbone", "")
    blocks = default_blocks(backbone)
    model = RADConfig.model_validate({"backbone": backbone} | ({"layers": blocks} if blocks else {}))
    return config.model_copy(update={"method": "rad", "preset": "standard", "model": model})
