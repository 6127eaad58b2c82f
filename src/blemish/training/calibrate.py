"""Scores of good images that a model did not learn from, or is made to forget while they are scored."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from blemish.calibration import Calibration
from blemish.datasets.loading import Rows
from blemish.images.frame import Frame
from blemish.inference.engines.base import Engine
from blemish.inference.scoring import calibrate
from blemish.progress import progress_bar
from blemish.training.read_images import GoodImages

ENOUGH, FENCE = 16, 1.5  # images, and interquartile ranges, from which on one can be odd

log = logging.getLogger(__name__)


def calibrate_model(engine: Engine, images: GoodImages) -> tuple[Calibration, list[np.ndarray]]:
    """From the held-out images, or from each while it is left out; and their maps, reduced."""
    config = images.config
    with progress_bar("Calibrating", len(images.held_out)) as advance:
        if config.model.remembers_all:
            scores, maps = leave_one_out(
                engine, images.rows, config.frame, images.held_out, images.calibrating, advance
            )
            if config.model.leave_one_out:
                _tell_odd(scores, images)
        else:
            pictures = (images.calibrating(index) for index in images.held_out)
            scores, maps = calibrate(engine, config.frame, pictures, advance)
    calibration = Calibration(scores, config.false_alarm_rate)
    if calibration.note:
        log.warning(calibration.note)
    return calibration, maps


def leave_one_out(
    engine: Engine,
    rows: Rows,
    frame: Frame,
    chosen: Iterable[int],
    picture: Callable[[int], np.ndarray],
    advance: Callable[[int], None],
) -> tuple[np.ndarray, list[np.ndarray]]:
    """As `calibrate`: each image is scored as if the model had not learned from it and near-equal ones.

    Args:
        engine: of a model that has just taken in all `rows` and has `leave_out`.
        frame: of the images.
        chosen: which of the K images of `rows` are scored.
        picture: gives one of them to score, uint8 [height, width, 3].
        advance: told how many images were scored, after each.
    """
    model: Any = engine
    scores, maps = [], []
    for index in chosen:
        model.model.leave_out(rows.of_group(index))
        score, reduced = calibrate(engine, frame, [picture(index)], advance)
        scores.append(score)
        maps += reduced
    model.model.leave_out(np.empty(0, np.int64))
    return np.concatenate(scores), maps


def stand_out(scores: np.ndarray) -> np.ndarray:
    """Which scores of left-out images are odd, bool [K]: above Tukey's fence; of fewer than `ENOUGH` none."""
    lower, upper = np.quantile(scores, (0.25, 0.75))
    return np.asarray(scores > upper + FENCE * (upper - lower)) & (len(scores) >= ENOUGH)


def _tell_odd(scores: np.ndarray, images: GoodImages) -> None:
    odd = images.held_out[np.flatnonzero(stand_out(scores))]
    if len(odd):
        first = images.rows.samples[images.held_out[scores.argmax()]].path
        log.info(
            f"{len(odd)} of {len(scores)} images look odd to a model of the others, most of all {first}; "
            "blemish check shows them."
        )
