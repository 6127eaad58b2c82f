"""Anomaly maps come back nearly as they were."""

import numpy as np
import pytest

from blemish.errors import ImageError
from blemish.station.storage.files import decode_map, encode_map


@pytest.mark.parametrize("span", [(0, 1), (-3e-7, 5e-7), (1e20, 3e25), (2, 2)])
def test_kept_maps_are_nearly_exact(span: tuple[float, float]) -> None:
    raw = np.random.default_rng(0).uniform(*span, (31, 47)).astype(np.float32)
    back = decode_map(*encode_map(raw))
    np.testing.assert_allclose(back, raw, atol=np.ptp(raw.astype(np.float64)) / 60_000, rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_maps_with_what_is_no_number_are_refused(value: float) -> None:
    with pytest.raises(ImageError, match="no finite numbers"):
        encode_map(np.array([[0, value]], np.float32))
