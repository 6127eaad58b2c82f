"""PaDiM against numpy and scipy."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from torch import Tensor

from tests.models.memory_bank.support import built, images, learned, literal_map, patches_of

CHANNELS = 12


def values_of(model: Any, given: Tensor) -> np.ndarray:
    """The drawn channels, float64 [B, P, d]."""
    return patches_of(model, given)[:, :, model.drawn]


def covariances(values: np.ndarray) -> np.ndarray:
    """Eq. 1, float64 [P, d, d]."""
    _, positions, channels = values.shape
    return np.stack([np.cov(values[:, p].T) + 0.001 * np.eye(channels) for p in range(positions)])


def test_a_large_common_offset_cancels_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of squares would lose a spread of 1 around 1000 in float32."""
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(1000, 1, (64, 3, 2, 2)).astype(np.float32))
    model = built("padim", channels=3)
    model.features.channels = 3
    monkeypatch.setattr(model.features, "positions", lambda size: 4)
    monkeypatch.setattr(model.features, "forward", lambda given: features[given.long()])
    model.learn(lambda: iter(torch.arange(64).split(5)), 64, 0)
    factors = np.linalg.inv(model.whitening.double().numpy())
    expected = covariances(features.double().flatten(2).transpose(1, 2).numpy())
    np.testing.assert_allclose(factors @ factors.transpose(0, 2, 1), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("count", [30, 5])
def test_scores_are_mahalanobis_distances(count: int) -> None:
    """Also with fewer images than channels."""
    model = learned("padim", count, channels=CHANNELS)
    with torch.inference_mode():
        scores, maps = model(images(3, seed=5))
    learned_from = values_of(model, images(count))
    means, inverses = learned_from.mean(axis=0), np.linalg.inv(covariances(learned_from))
    for values, score, anomaly_map in zip(values_of(model, images(3, seed=5)), scores, maps, strict=True):
        distances = np.array([mahalanobis(*triple) for triple in zip(values, means, inverses, strict=True)])
        expected = literal_map(distances)
        np.testing.assert_allclose(anomaly_map, expected, rtol=2e-3)
        assert float(score) == pytest.approx(expected.max(), rel=2e-3)


def test_channels_are_drawn_by_the_seed_and_recorded() -> None:
    one, same, other = (
        learned("padim", 3, seed=seed, channels=CHANNELS).drawn.tolist() for seed in (0, 0, 1)
    )
    assert one == same != other
    assert len(set(one)) == CHANNELS and one == sorted(one)
    model = learned("padim", 3, channels=4096)
    assert model.drawn.tolist() == list(range(model.features.channels)), "no more than there are"
    assert max(one) < model.features.channels


def test_channels_that_do_not_exist_are_refused() -> None:
    model = learned("padim", 3)
    state = model.state_dict()
    for wrong in (-1, model.features.channels):
        spoilt = state | {"drawn": torch.full_like(state["drawn"], wrong)}
        with pytest.raises(RuntimeError, match="channels that the backbone does not have"):
            model.load_state_dict(spoilt)
