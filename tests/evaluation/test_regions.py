"""Found regions are counted beside the marked defects."""

from functools import partial

import numpy as np

from blemish.calibration import Calibration
from blemish.evaluation.regions import count_regions
from blemish.inference.regions import label_regions


def test_defects_found_and_regions_elsewhere_are_counted() -> None:
    peaks = Calibration(np.linspace(0.1, 1.9, 19), 0.1)
    good, bad = np.zeros((2, 32, 32), np.float32)
    nothing, marked = np.zeros((2, 32, 32), bool)
    good[2:4, 2:4] = 3
    bad[2:4, 2:4] = bad[10:20, 10:20] = 3
    marked[12:14, 12:14] = marked[16:18, 16:18] = marked[28:30, 28:30] = True  # two of them in one region
    counts = count_regions([good, bad], [nothing, marked], partial(label_regions, peaks=peaks))
    assert counts == {"marked": 3, "found": 2, "regions": 3, "elsewhere": 2}
