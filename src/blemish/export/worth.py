"""Whether integers are worth it: how much faster they are here, and what they no longer find."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from blemish.calibration import Calibration
from blemish.datasets.synthetic import KINDS, draw_defect
from blemish.evaluation.metrics import auroc
from blemish.export.parity import Candidate
from blemish.export.recalibrate import Roles
from blemish.images.frame import Frame
from blemish.images.reading import load_frame
from blemish.inference.scoring import score_images
from blemish.progress import progress_bar

SPEEDUP = 1.3  # less is not worth the loss of exactness
LOSS = 0.01  # of an AUROC; more is worth a warning
DAMAGED = 32  # calibration images at most that defects are drawn onto
TIMED = 4  # images in a round
ROUNDS = 5


class Worth(NamedTuple):
    """An int8 graph beside the float32 one in the same engine.

    Attributes:
        speedup: images a second, as a multiple of the float32 graph's.
        before, after: AUROC of the float32 and the int8 graph: their own calibration scores against those of
            calibration images with faint synthetic defects.
    """

    speedup: float
    before: float
    after: float

    @property
    def remarks(self) -> list[str]:
        """What was measured, and whether to go without integers."""
        faster = f"int8 scores {self.speedup:.1f} times as many images a second here as float32"
        found = (
            f"its AUROC on defects drawn onto the calibration images is {self.after:.3f}, float32's "
            f"{self.before:.3f}"
        )
        reasons = [
            f"less than {SPEEDUP:g} times as fast" if self.speedup < SPEEDUP else "",
            "defects are missed" if self.before - self.after > LOSS else "",
        ]
        if not any(reasons):
            return [f"{faster}; {found}."]
        why = " and ".join(filter(None, reasons))
        return [f"Warning: {faster}; {found}. Export without --int8: {why}."]


def measure_worth(floats: Candidate, integers: Candidate, roles: Roles) -> Worth:
    """Time both graphs in turns, and show them calibration images with and without defects.

    Raises:
        ImageError: an image cannot be used.
    """
    frame = integers[1].frame
    paths = roles.calibration[:: -(-len(roles.calibration) // DAMAGED)]
    scores: tuple[list[float], list[float]] = [], []
    with progress_bar("Comparing int8", len(paths)) as advance:
        for picture in _damaged(paths, frame):
            for (engine, _), of in zip((floats, integers), scores, strict=True):
                of += [score for score, _ in score_images(engine, frame, [picture], TIMED)]
            advance()
    found = [
        _auroc(Calibration.from_dict(metadata.calibration).scores, of)
        for (_, metadata), of in zip((floats, integers), scores, strict=True)
    ]
    timed = [load_frame(path, frame) for path in paths[: 1 if frame.tile else TIMED]]
    seconds = np.full((ROUNDS, 2), np.inf)
    for taken in seconds:
        for place, (engine, _) in enumerate((floats, integers)):
            started = time.perf_counter()
            score_images(engine, frame, timed, len(timed))
            taken[place] = time.perf_counter() - started
    slow, fast = seconds.min(axis=0)
    return Worth(slow / fast, *found)


def _damaged(paths: list[Path], frame: Frame) -> Iterator[np.ndarray]:
    """Pictures with faint defects from the one before; one at a time, for tiled ones may be large."""
    other = load_frame(paths[-1], frame)
    for number, path in enumerate(paths):
        picture = load_frame(path, frame)
        yield draw_defect(picture, KINDS[number % len(KINDS)], "faint", seed=(number,), other=other)[0]
        other = picture


def _auroc(good: np.ndarray, bad: Sequence[float]) -> float:
    scores = np.concatenate([good, bad])
    return auroc(scores, np.arange(len(scores)) >= len(good))
