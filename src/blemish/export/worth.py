"""Whether integers are worth it: how much faster they are here, and what they no longer find."""

import time
from typing import NamedTuple

import numpy as np

from blemish.datasets.synthetic import KINDS, draw_defect
from blemish.evaluation.metrics import auroc
from blemish.export.parity import Candidate
from blemish.export.recalibrate import Roles
from blemish.images.reading import load_frame
from blemish.inference.scoring import score_images
from blemish.progress import progress_bar
from blemish.training.config import config_of

SPEEDUP = 1.3  # less is not worth the loss of exactness
LOSS = 0.01  # of an AUROC; more is worth a warning
TELLING = 0.6  # of an AUROC; a model that finds no drawn defects loses none
DAMAGED = 32  # calibration images at most that defects are drawn onto
TIMED = 4  # images in a round
ROUNDS = 5


class Worth(NamedTuple):
    """An int8 graph beside the float32 one in the same engine.

    Attributes:
        speedup: images a second, as a multiple of the float32 graph's.
        before, after: AUROC of the float32 and the int8 graph on calibration images without and with faint
            synthetic defects.
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
            "gains too little here" if self.speedup < SPEEDUP else "",
            "misses defects" if self.before >= TELLING and self.before - self.after > LOSS else "",
        ]
        why = " and ".join(filter(None, reasons))
        warning = f"Warning: --int8 {why}, export without it: " if why else ""
        return [f"{warning}{faster}; {found}."]


def measure_worth(floats: Candidate, integers: Candidate, roles: Roles) -> Worth:
    """Time both graphs in turns, and show them calibration images with and without defects.

    Where each image is remembered they are mirrored, and not what is remembered.

    Raises:
        ImageError: an image cannot be used.
    """
    frame, engines = integers[1].frame, (floats[0], integers[0])
    mirrored = -1 if config_of(integers[1]).model.remembers_all else 1
    paths = roles.calibration[:: -(-len(roles.calibration) // DAMAGED)]
    scores: tuple[list[float], list[float]] = [], []
    with progress_bar("Comparing int8", len(paths)) as advance:
        other = load_frame(paths[-1], frame)
        for number, path in enumerate(paths):
            picture = load_frame(path, frame)[:, ::mirrored]
            kind = KINDS[number % len(KINDS)]
            damaged, _ = draw_defect(picture, kind, "faint", seed=(number,), other=other)
            for engine, of in zip(engines, scores, strict=True):
                for shown in (picture, damaged):  # one at a time, for tiled ones may be large
                    of += [score for score, _ in score_images(engine, frame, [shown], TIMED)]
            other = picture
            advance()
    labels = np.arange(2 * len(paths)) % 2
    before, after = (auroc(np.array(of), labels) for of in scores)
    timed = [load_frame(path, frame) for path in paths[: 1 if frame.tile else TIMED]]
    seconds = np.full((ROUNDS, 2), np.inf)
    for taken in seconds:
        for place, engine in enumerate(engines):
            started = time.perf_counter()
            score_images(engine, frame, timed, len(timed))
            taken[place] = time.perf_counter() - started
    slow, fast = seconds.min(axis=0)
    return Worth(slow / fast, before, after)
