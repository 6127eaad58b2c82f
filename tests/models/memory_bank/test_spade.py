"""SPADE against brute force."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch import Tensor

from blemish.models.memory_bank.features import positions_first
from tests.models.memory_bank.support import images, learned, literal_map


def features_of(model: Any, given: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Features of all positions [B, P, C] and pooled ones [B, c], float64."""
    with torch.inference_mode():
        features = positions_first(model.features(given))
        normalised = model.features.backbone.normalise(given)
        last = model.features.backbone(normalised)[-1]
    return features.double().numpy(), last.double().numpy().mean(axis=(2, 3))


@pytest.mark.parametrize("neighbours", [1, 3, 10, 50])
def test_scores_and_maps(neighbours: int) -> None:
    """Also with more neighbours than there are images."""
    model = learned("spade", 10, neighbours=neighbours)
    new = images(3, seed=5)
    with torch.inference_mode():
        scores, maps = model(new)
    gallery, pooled = features_of(model, images(10))
    for features, own, score, anomaly_map in zip(*features_of(model, new), scores, maps, strict=True):
        apart = np.square(pooled - own).sum(axis=1)
        alike = apart.argsort()[:neighbours]
        assert float(score) == pytest.approx(apart[alike].mean(), rel=1e-3)
        others = gallery[alike].reshape(-1, gallery.shape[2])
        expected = literal_map(cdist(features, others, "sqeuclidean").min(axis=1))
        np.testing.assert_allclose(anomaly_map, expected, rtol=5e-3)  # float16 gallery


def test_all_images_are_remembered_in_their_order() -> None:
    model = learned("spade", 10, batch_size=3)
    gallery, pooled = features_of(model, images(10))
    np.testing.assert_allclose(model.pooled, pooled, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.gallery.double(), gallery, rtol=2e-3, atol=1e-3)


def test_the_gallery_is_bounded_and_drawn_from_all_images() -> None:
    model = learned("spade", 10, batch_size=3, gallery=4)
    assert len(model.gallery) == len(model.pooled) == 4
    _, pooled = features_of(model, images(10))
    apart = cdist(model.pooled.double().numpy(), pooled)
    expected = np.sort(np.random.default_rng(0).permutation(10)[:4])
    assert apart.argmin(axis=1).tolist() == expected.tolist()
    assert apart.min(axis=1).max() < 1e-3
