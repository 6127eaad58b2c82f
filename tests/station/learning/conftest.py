"""A station whose scores are given."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.station.learning.support import ScoredStation


@pytest.fixture
def station(tmp_path: Path) -> Iterator[ScoredStation]:
    """Its calibration has the scores 1 to 99, so that a rate of 5 % means a threshold of 95."""
    one = ScoredStation(tmp_path, np.arange(1, 100), 0.05)
    yield one
    one.close()
