"""Verdicts where a map is no number."""

import numpy as np
import pytest

from blemish.calibration import Calibration
from blemish.errors import ImageError
from blemish.inference.verdict import decide


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_map_with_what_is_no_number_has_no_verdict(wrong: float) -> None:
    calibration = Calibration(np.arange(1.0, 100.0), 0.05)
    values = np.ones((4, 4), np.float32)
    assert not decide(3.0, values, calibration, None, "part.png", (4, 4)).is_anomalous
    values[2, 1] = wrong
    with pytest.raises(ImageError, match=r"^part\.png has no score: its anomaly map has values that are no"):
        decide(3.0, values, calibration, None, "part.png", (4, 4))
