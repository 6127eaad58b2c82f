"""A detector that needs no model, and rows to compare."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from blemish.calibration import Calibration
from blemish.images.frame import Frame
from blemish.inference.outputs import Outputs, predict_to_files
from blemish.inference.result import Result

Row = dict[str, Any]


class FakeDetector:
    """Scores every file that is there by the length of its path."""

    calibration = Calibration(np.arange(1.0, 20.0), 0.1)
    rules = None
    metadata: ClassVar = {"method": "fake"}
    can_explain = True

    def predict_many(self, paths: Iterable[str], *, batch_size: int, explain: bool) -> Iterator[Result]:
        for path in paths:
            if not Path(path).exists():
                yield Result(path, error="gone")
            else:
                score = float(len(path))
                image = np.zeros((40, 40, 3), np.uint8)
                anomaly_map = np.full((40, 40), score, np.float32)
                pictures = (image + 99, anomaly_map / score) if explain else ()
                of = {"frame": Frame(resize=40, crop=None), "size": (40, 40), "map_peaks": self.calibration}
                yield Result(path, score, 0.05, True, anomaly_map, image, *pictures, **of)


def predict(
    paths: Iterable[str], *, detector: Any = None, advance: Any = lambda: None, **outputs: Any
) -> Row:
    """What `predict_to_files` counts, by a fake detector unless another is given."""
    return predict_to_files(
        detector or FakeDetector(), paths, Outputs(**outputs), batch_size=16, advance=advance
    )


def same_scores(rows: list[Row], expected: list[Row]) -> bool:
    """To rounding; where paths are spelt otherwise, errors are too."""
    return len(rows) == len(expected) and all(
        row["p_value"] == other["p_value"]
        and row["is_anomalous"] == other["is_anomalous"]
        and bool(row["error"]) == bool(other["error"])
        and row["score"] == (other["score"] and pytest.approx(other["score"], rel=1e-5))
        for row, other in zip(rows, expected, strict=True)
    )
