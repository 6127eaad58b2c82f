"""Gaussian smoothing as matrix products."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from blemish.models.smoothing import gaussian_matrix


@pytest.mark.parametrize("size", [16, 33, 224])
@pytest.mark.parametrize("sigma", [0.7, 4.0, 9.3])
def test_the_gaussian_is_scipys(size: int, sigma: float) -> None:
    image = np.random.default_rng(0).random((size, size))
    matrix = gaussian_matrix(size, sigma).double().numpy()
    np.testing.assert_allclose(matrix @ image @ matrix.T, gaussian_filter(image, sigma), atol=1e-6)
