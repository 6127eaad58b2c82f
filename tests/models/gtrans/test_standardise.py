"""Distances compared with those of good images."""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from blemish.models.gtrans.anomaly_map import FLOOR, REACH, Standardise

LEVELS, SIZE = 2, 48


def distances(count: int, seed: int) -> Tensor:
    """Noise whose mean and spread differ from place to place and from level to level."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.linspace(1, 3, SIZE)[:, None] * torch.tensor([1.0, 50.0])[:, None, None, None]
    return place * (1 + 0.3 * torch.rand(LEVELS, count, SIZE, SIZE, generator=generator))


def fitted(maps: Tensor, batch: int = 4) -> Standardise:
    module = Standardise(LEVELS, SIZE)
    module.learn(maps.split(batch, dim=1))
    return module


def test_it_changes_nothing_before_it_has_learned() -> None:
    maps = distances(3, 0)
    assert torch.equal(Standardise(LEVELS, SIZE)(maps), maps)


def test_statistics_are_those_of_numpy_and_scipy() -> None:
    learned = distances(11, 0)
    module = fitted(learned)
    for level, values in enumerate(learned.double().numpy()):
        mean = gaussian_filter(values.mean(axis=0), REACH)
        variance = gaussian_filter(((values - mean) ** 2).mean(axis=0), REACH)
        spread = np.sqrt(variance) + FLOOR * values.std()
        np.testing.assert_allclose(module.spread[level], spread, rtol=1e-3)


def test_batches_do_not_matter() -> None:
    one, other = fitted(distances(11, 0), batch=4), fitted(distances(11, 0), batch=11)
    torch.testing.assert_close(one.spread, other.spread)


def test_levels_and_places_come_on_one_scale() -> None:
    scaled = fitted(distances(30, 0))(distances(30, 2))[:, :, 8:-8, 8:-8]
    spreads = torch.stack([part.std(dim=1).mean() for level in scaled for part in level.chunk(3, dim=1)])
    assert spreads.max() / spreads.min() < 2
    levels = scaled.mean(dim=(1, 2, 3))
    torch.testing.assert_close(levels[0], levels[1], rtol=0.02, atol=0)


def test_a_student_without_error_gives_no_division_by_zero() -> None:
    nothing = torch.zeros(LEVELS, 3, SIZE, SIZE)
    module = fitted(nothing)
    assert module(nothing).isfinite().all()
    assert module(nothing + 1).isfinite().all()
