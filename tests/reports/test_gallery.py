"""What pages show of an image: its verdict, and small pictures of large results."""

import numpy as np
import pytest

from blemish.inference.result import Result
from blemish.reports.gallery import Verdict, largest_in_cells, shrunk

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (13, 40), (50, 61)])
def test_each_cell_keeps_its_largest_value(shape: tuple[int, int]) -> None:
    values = RNG.random((50, 61))
    cells = largest_in_cells(values, *shape)
    rows = np.arange(shape[0] + 1) * 50 // shape[0]
    columns = np.arange(shape[1] + 1) * 61 // shape[1]
    for row in range(shape[0]):
        for column in range(shape[1]):
            cell = values[rows[row] : rows[row + 1], columns[column] : columns[column + 1]]
            assert cells[row, column] == cell.max()
    np.testing.assert_array_equal(largest_in_cells(values > 0.9, *shape), cells > 0.9)


def test_a_large_result_shrinks_and_keeps_the_peak_of_its_map() -> None:
    anomaly_map = RNG.random((256, 1024), np.float32)
    anomaly_map[123, 456] = 7
    image = RNG.integers(0, 256, (256, 1024, 3), np.uint8)
    result = shrunk(Result("x", 1.0, 0.5, False, anomaly_map, image, image, anomaly_map))
    assert result.image is not None and result.anomaly_map is not None and result.attention is not None
    assert result.image.shape == (128, 512, 3) and result.image.dtype == np.uint8
    assert result.anomaly_map[61, 228] == result.attention[61, 228] == 7
    assert np.abs(result.image - image.reshape(128, 2, 512, 2, 3).mean(axis=(1, 3))).max() <= 1
    assert np.array_equal(result.image, result.reconstruction)
    small = Result("x", 1.0, 0.5, False, np.zeros((512, 30), np.float32), np.zeros((512, 30, 3), np.uint8))
    broken = Result("x", error="x is damaged.")
    assert shrunk(small) is small and shrunk(broken) is broken


@pytest.mark.parametrize(
    ("label", "anomalous", "text"),
    [(1, True, "found"), (1, False, "missed"), (0, True, "false alarm"), (0, False, "passed")],
)
def test_verdicts(label: int, anomalous: bool, text: str) -> None:
    row = {"label": label, "is_anomalous": anomalous, "score": 3.0}
    times = "1.5 \N{MULTIPLICATION SIGN} threshold"
    assert Verdict.of(row, 2.0) == Verdict(text, text in ("found", "passed"), times)
    assert Verdict.of(row, -2.0) == Verdict(text, text in ("found", "passed"), "")
